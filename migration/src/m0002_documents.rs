//! Creates the table of documents, and an index in the order in which owners list them.

use sea_orm_migration::prelude::*;

use crate::m0001_users::User;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
pub(crate) enum Document {
    Table,
    Id,
    OwnerId,
    Title,
    Version,
    AccessVersion,
    CreatedAt,
    UpdatedAt,
    DeletedAt,
    Content,
}

const BY_OWNER: &str = "idx_document_owner_updated";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Document::Table)
                    .col(ColumnDef::new(Document::Id).uuid().not_null().primary_key())
                    .col(ColumnDef::new(Document::OwnerId).uuid().not_null())
                    .col(ColumnDef::new(Document::Title).text().not_null())
                    .col(ColumnDef::new(Document::Version).big_integer().not_null())
                    .col(ColumnDef::new(Document::AccessVersion).big_integer().not_null())
                    .col(ColumnDef::new(Document::CreatedAt).timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new(Document::UpdatedAt).timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new(Document::DeletedAt).timestamp_with_time_zone())
                    // The text is the last column: SQLite reads a long row page by page, and a query for the
                    // version or the owner must not read through megabytes of text.
                    .col(ColumnDef::new(Document::Content).text().not_null())
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_document_owner")
                            .from(Document::Table, Document::OwnerId)
                            .to(User::Table, User::Id)
                            .on_delete(ForeignKeyAction::Restrict),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name(BY_OWNER)
                    .table(Document::Table)
                    .col(Document::OwnerId)
                    .col((Document::UpdatedAt, IndexOrder::Desc))
                    .col((Document::Id, IndexOrder::Desc))
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Document::Table).to_owned()).await
    }
}
