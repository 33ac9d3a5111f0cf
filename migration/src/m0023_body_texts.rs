//! Adds the plain text of the body to snapshots, so that it can be read without the Yjs state.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum DocumentSnapshot {
    Table,
    BodyText,
}

/// What the texts take no longer counts. A tombstone counts 0 already.
const UNCOUNT: &str = "UPDATE document SET stored_bytes = stored_bytes
    - (SELECT coalesce(sum(octet_length(body_text)), 0) FROM document_snapshot WHERE document_id = document.id)
    WHERE stored_bytes > 0";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let text = ColumnDef::new(DocumentSnapshot::BodyText).text().to_owned();
        manager
            .alter_table(Table::alter().table(DocumentSnapshot::Table).add_column(text).to_owned())
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UNCOUNT).await?;
        let table = Table::alter()
            .table(DocumentSnapshot::Table)
            .drop_column(DocumentSnapshot::BodyText)
            .to_owned();
        manager.alter_table(table).await
    }
}
