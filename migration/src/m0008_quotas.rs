//! Counts the bytes of each document, and creates an index of the documents that an owner has.

use sea_orm_migration::prelude::*;

use crate::m0002_documents::Document;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
struct StoredBytes;

/// Without tombstones, so that counting does not read them.
const KEPT_BY_OWNER: &str = "idx_document_owner_kept";

/// What the rows of each document take: their texts and binary values, and 256 bytes for each row.
const COUNT: &str = r#"UPDATE document SET stored_bytes = 256 + octet_length(content)
    + (SELECT coalesce(sum(256 + octet_length(title) + coalesce(octet_length(delta), 0) + coalesce(octet_length("update"), 0)), 0)
       FROM document_change WHERE document_id = document.id)
    + (SELECT coalesce(sum(256 + octet_length(title)), 0) FROM document_receipt WHERE document_id = document.id)
    + (SELECT coalesce(sum(256 + octet_length(state)), 0) FROM document_snapshot WHERE document_id = document.id)
    WHERE deleted_at IS NULL"#;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table(Document::Table)
                    .add_column(ColumnDef::new(StoredBytes).big_integer().not_null().default(0))
                    .to_owned(),
            )
            .await?;
        manager.get_connection().execute_unprepared(COUNT).await?;
        manager
            .create_index(
                Index::create()
                    .name(KEPT_BY_OWNER)
                    .table(Document::Table)
                    .col(Document::OwnerId)
                    .and_where(Expr::col(Document::DeletedAt).is_null())
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name(KEPT_BY_OWNER).table(Document::Table).to_owned();
        manager.drop_index(index).await?;
        let column = Table::alter().table(Document::Table).drop_column(StoredBytes).to_owned();
        manager.alter_table(column).await
    }
}
