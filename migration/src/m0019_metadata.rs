//! Creates the tables of the metadata of documents, and of the labels in it.
//!
//! A table of its own keeps the rows of `document`, which every change writes, short.

use sea_orm_migration::prelude::*;

use crate::m0002_documents::Document;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum DocumentMetadata {
    Table,
    DocumentId,
    Json,
    StoredBytes,
}

#[derive(DeriveIden)]
enum DocumentLabel {
    Table,
    DocumentId,
    Name,
    Value,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(DocumentMetadata::Table)
                    .col(
                        ColumnDef::new(DocumentMetadata::DocumentId)
                            .uuid()
                            .not_null()
                            .primary_key(),
                    )
                    .col(ColumnDef::new(DocumentMetadata::Json).text().not_null())
                    .col(ColumnDef::new(DocumentMetadata::StoredBytes).big_integer().not_null())
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_document_metadata_document")
                            .from(DocumentMetadata::Table, DocumentMetadata::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(DocumentLabel::Table)
                    .col(ColumnDef::new(DocumentLabel::DocumentId).uuid().not_null())
                    .col(ColumnDef::new(DocumentLabel::Name).text().not_null())
                    .col(ColumnDef::new(DocumentLabel::Value).text().not_null())
                    // A filter looks the labels of the documents of a list up, so its cost depends on the list only.
                    .primary_key(
                        Index::create().col(DocumentLabel::DocumentId).col(DocumentLabel::Name),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_document_label_document")
                            .from(DocumentLabel::Table, DocumentLabel::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DocumentLabel::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(DocumentMetadata::Table).to_owned()).await
    }
}
