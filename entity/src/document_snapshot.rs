//! `document_snapshot`: the text of a document at some of its versions.

use sea_orm::entity::prelude::*;

/// A document at one version.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_snapshot")]
pub struct Model {
    /// The document; the snapshot goes with it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The version.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// The whole state as one Yjs v1 update.
    pub state: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
