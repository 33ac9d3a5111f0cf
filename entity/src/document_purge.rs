//! `document_purge`: deleted documents whose log is still to be deleted.

use sea_orm::entity::prelude::*;

/// One such document.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_purge")]
pub struct Model {
    /// The document, which is a tombstone. Deleting its row deletes this one.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
}

impl ActiveModelBehavior for ActiveModel {}
