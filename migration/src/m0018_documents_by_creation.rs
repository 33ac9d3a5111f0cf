//! Creates an index of an owner's documents in the order of their creation, in which owners may list them.

use sea_orm_migration::prelude::*;

use crate::m0002_documents::Document;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const BY_CREATION: &str = "idx_document_owner_id";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_index(
                Index::create()
                    .name(BY_CREATION)
                    .table(Document::Table)
                    .col(Document::OwnerId)
                    .col((Document::Id, IndexOrder::Desc))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name(BY_CREATION).table(Document::Table).to_owned();
        manager.drop_index(index).await
    }
}
