//! `group_member`: who is in which group.

use sea_orm::entity::prelude::*;

/// Whether a user is in a group, and whether the nodes know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
pub enum State {
    /// They are in it. Open sessions are still to be told what it gives them.
    #[sea_orm(num_value = 1)]
    Joined,
    /// They are in it.
    #[sea_orm(num_value = 2)]
    Settled,
    /// They are not in it any more. What it gave them is still to be ended in open sessions.
    #[sea_orm(num_value = 3)]
    Left,
}

/// One member.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "group_member")]
pub struct Model {
    /// The group. Deleting its row deletes the member.
    #[sea_orm(primary_key, auto_increment = false)]
    pub group_id: Uuid,
    /// The user. Deleting the account deletes the member.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// Whether they are in it.
    pub state: State,
    /// Another UUIDv7 after each change of the state.
    pub revision: Uuid,
    /// The row of `group_id`.
    #[sea_orm(belongs_to, from = "group_id", to = "id", on_delete = "Cascade")]
    pub group: BelongsTo<super::user_group::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
