//! `user_block`: users from whom others accept no documents.

use sea_orm::entity::prelude::*;

/// One block.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_block")]
pub struct Model {
    /// The user who blocks. Deleting the account deletes the block.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// The user who is blocked. Deleting the account deletes the block.
    #[sea_orm(primary_key, auto_increment = false)]
    pub blocked_id: Uuid,
}

impl ActiveModelBehavior for ActiveModel {}
