//! Creates the list of deleted documents whose log is still to be deleted.

use sea_orm_migration::prelude::*;

use crate::m0002_documents::Document;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum DocumentPurge {
    Table,
    DocumentId,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(DocumentPurge::Table)
                    .col(ColumnDef::new(DocumentPurge::DocumentId).uuid().not_null().primary_key())
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_document_purge_document")
                            .from(DocumentPurge::Table, DocumentPurge::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DocumentPurge::Table).to_owned()).await
    }
}
