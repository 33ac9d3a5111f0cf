//! `link_bar`: users whom an owner has removed from a document, so that they cannot come back by a link.

use sea_orm::entity::prelude::*;

/// One such user.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "link_bar")]
pub struct Model {
    /// The document. Deleting its row deletes this one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The user. Deleting the account deletes this row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
}

impl ActiveModelBehavior for ActiveModel {}
