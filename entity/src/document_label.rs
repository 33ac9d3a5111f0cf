//! `document_label`: the members of metadata by which documents are found.

use sea_orm::entity::prelude::*;

/// A member of the metadata of a document with a string, a number or a boolean.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "document_label")]
pub struct Model {
    /// The document. Deleting its row deletes the label.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: Uuid,
    /// The name of the member.
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// The value as JSON.
    pub value: String,
}

impl ActiveModelBehavior for ActiveModel {}
