//! Creates an index of receipts by age, so that deleting old receipts does not read the others.

use sea_orm_migration::prelude::*;

use crate::m0004_changes::DocumentReceipt;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const BY_TIME: &str = "idx_document_receipt_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_index(
                Index::create()
                    .name(BY_TIME)
                    .table(DocumentReceipt::Table)
                    .col(DocumentReceipt::At)
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name(BY_TIME).table(DocumentReceipt::Table).to_owned();
        manager.drop_index(index).await
    }
}
