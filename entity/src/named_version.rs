//! `named_version`: versions of documents that users gave a name.

use sea_orm::entity::prelude::*;

/// A version with a name.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "named_version")]
pub struct Model {
    /// The document. Deleting its row deletes this one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The version.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// Its name.
    #[sea_orm(column_type = "Text")]
    pub name: String,
    /// Who gave it the name. Null after the account was deleted.
    pub named_by: Option<Uuid>,
    /// When it got the name: UTC, whole microseconds.
    pub named_at: DateTimeUtc,
    /// The whole content as one Yjs v1 update. The change log and the snapshots may no longer have it.
    pub state: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
