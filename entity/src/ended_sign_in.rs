//! `ended_sign_in`: sign-ins that have ended alone, because their user has signed out.

use sea_orm::entity::prelude::*;

/// One sign-in.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ended_sign_in")]
pub struct Model {
    /// The account. Deleting it deletes the row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// The sign-in.
    #[sea_orm(primary_key, auto_increment = false)]
    pub sign_in_id: Uuid,
    /// When it ended: UTC, whole microseconds.
    pub ended_at: DateTimeUtc,
    /// When its tokens have expired, as far as is known, so that the row can be deleted: UTC, whole microseconds.
    pub kept_until: DateTimeUtc,
    /// The row of `user_id`.
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: BelongsTo<super::user::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
