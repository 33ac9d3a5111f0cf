//! `document_snapshot`: the texts of documents at some of their versions.

use sea_orm::entity::prelude::*;

/// A document at one version.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_snapshot")]
pub struct Model {
    /// The document. Deleting its row deletes the snapshot.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The version.
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    /// The whole text as one Yjs v1 update.
    pub state: Vec<u8>,
    /// The plain text of the body, if it is not too long and the node that stored the snapshot has written it.
    #[sea_orm(column_type = "Text", nullable)]
    pub body_text: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
