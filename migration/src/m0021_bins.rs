//! Creates the table of deleted documents that their owners can still bring back.

use sea_orm_migration::prelude::*;

use crate::m0002_documents::Document;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum DocumentBin {
    Table,
    DocumentId,
    OwnerId,
    DeletedAt,
}

const BY_OWNER: &str = "idx_document_bin_owner";
const BY_TIME: &str = "idx_document_bin_deleted_at";

/// A release without bins sees tombstones. Their logs are deleted as those of tombstones are.
const PURGE: &str = "INSERT INTO document_purge (document_id) SELECT document_id FROM document_bin";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(DocumentBin::Table)
                    .col(ColumnDef::new(DocumentBin::DocumentId).uuid().not_null().primary_key())
                    .col(ColumnDef::new(DocumentBin::OwnerId).uuid().not_null())
                    .col(
                        ColumnDef::new(DocumentBin::DeletedAt)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_document_bin_document")
                            .from(DocumentBin::Table, DocumentBin::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        for (name, column) in [(BY_OWNER, DocumentBin::OwnerId), (BY_TIME, DocumentBin::DeletedAt)]
        {
            let index = Index::create().name(name).table(DocumentBin::Table).col(column).to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(PURGE).await?;
        manager.drop_table(Table::drop().table(DocumentBin::Table).to_owned()).await
    }
}
