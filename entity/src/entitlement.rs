//! `entitlement`: access levels that come from elsewhere than a grant.

use sea_orm::entity::prelude::*;

use super::Level;

/// One level from one source. A user may have several on one document; the highest counts.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "entitlement")]
pub struct Model {
    /// The document. Deleting its row deletes the entitlement.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The user. Deleting the account deletes the entitlement.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    /// What the level comes from.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: Kind,
    /// The sign-in of the document token, or the link. Zeros for an answer.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_id: Uuid,
    /// The level.
    pub level: Level,
    /// When it ends, if it ends by itself: UTC, whole microseconds.
    pub ends_at: Option<DateTimeUtc>,
    /// The row of `document_id`.
    #[sea_orm(belongs_to, from = "document_id", to = "id", on_delete = "Cascade")]
    pub document: BelongsTo<super::document::Entity>,
    /// The row of `user_id`.
    #[sea_orm(belongs_to, from = "user_id", to = "id", on_delete = "Cascade")]
    pub user: BelongsTo<super::user::Entity>,
}

/// What an entitlement comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "i16", db_type = "SmallInteger")]
pub enum Kind {
    /// A document token.
    #[sea_orm(num_value = 1)]
    Token,
    /// The answer of the application to a question.
    #[sea_orm(num_value = 2)]
    Answer,
    /// A link that the user has opened.
    #[sea_orm(num_value = 3)]
    Link,
}

impl ActiveModelBehavior for ActiveModel {}
