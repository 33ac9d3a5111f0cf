//! Creates the table of named versions, and the columns of what a change has taken back.

use sea_orm_migration::prelude::*;

use crate::m0002_documents::Document;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum NamedVersion {
    Table,
    DocumentId,
    Version,
    Name,
    NamedBy,
    NamedAt,
    State,
}

#[derive(DeriveIden)]
enum DocumentChange {
    Table,
    TakenFrom,
    TakenTo,
}

const BY_USER: &str = "idx_named_version_named_by";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(NamedVersion::Table)
                    .col(ColumnDef::new(NamedVersion::DocumentId).uuid().not_null())
                    .col(ColumnDef::new(NamedVersion::Version).big_integer().not_null())
                    .col(ColumnDef::new(NamedVersion::Name).text().not_null())
                    .col(ColumnDef::new(NamedVersion::NamedBy).uuid())
                    .col(
                        ColumnDef::new(NamedVersion::NamedAt).timestamp_with_time_zone().not_null(),
                    )
                    // The last column, so that a list of names does not read it.
                    .col(ColumnDef::new(NamedVersion::State).blob().not_null())
                    .primary_key(
                        Index::create().col(NamedVersion::DocumentId).col(NamedVersion::Version),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_named_version_document")
                            .from(NamedVersion::Table, NamedVersion::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name(BY_USER)
                    .table(NamedVersion::Table)
                    .col(NamedVersion::NamedBy)
                    .to_owned(),
            )
            .await?;
        // SQLite adds one column at a time.
        for column in [
            ColumnDef::new(DocumentChange::TakenFrom).big_integer().to_owned(),
            ColumnDef::new(DocumentChange::TakenTo).big_integer().to_owned(),
        ] {
            let added = Table::alter().table(DocumentChange::Table).add_column(column).to_owned();
            manager.alter_table(added).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [DocumentChange::TakenTo, DocumentChange::TakenFrom] {
            let column = Table::alter().table(DocumentChange::Table).drop_column(column).to_owned();
            manager.alter_table(column).await?;
        }
        manager.drop_table(Table::drop().table(NamedVersion::Table).to_owned()).await
    }
}
