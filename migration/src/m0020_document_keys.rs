//! Creates the table of the keys of documents, names that applications choose.

use sea_orm_migration::prelude::*;

use crate::m0002_documents::Document;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum DocumentKey {
    Table,
    DocumentId,
    Key,
}

const BY_KEY: &str = "idx_document_key_key";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(DocumentKey::Table)
                    .col(ColumnDef::new(DocumentKey::DocumentId).uuid().not_null().primary_key())
                    .col(ColumnDef::new(DocumentKey::Key).text().not_null())
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_document_key_document")
                            .from(DocumentKey::Table, DocumentKey::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name(BY_KEY)
                    .table(DocumentKey::Table)
                    .col(DocumentKey::Key)
                    .unique()
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DocumentKey::Table).to_owned()).await
    }
}
