//! Adds what the deletion of accounts needs: how far it is, who receives the documents, and who created a document that another
//! user owns now.

use sea_orm_migration::prelude::*;

use crate::{m0001_users::User, m0002_documents::Document};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum UserColumn {
    ErasingAt,
    HeirId,
    ErasedAt,
}

#[derive(DeriveIden)]
enum DocumentColumn {
    CreatorId,
}

const BEING_ERASED: &str = "idx_user_erasing_at";
const BY_ERASURE: &str = "idx_user_erased_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in [
            ColumnDef::new(UserColumn::ErasingAt).timestamp_with_time_zone().to_owned(),
            ColumnDef::new(UserColumn::HeirId).uuid().to_owned(),
            ColumnDef::new(UserColumn::ErasedAt).timestamp_with_time_zone().to_owned(),
        ] {
            manager
                .alter_table(Table::alter().table(User::Table).add_column(column).to_owned())
                .await?;
        }
        let creator = ColumnDef::new(DocumentColumn::CreatorId).uuid().to_owned();
        manager
            .alter_table(Table::alter().table(Document::Table).add_column(creator).to_owned())
            .await?;
        manager
            .create_index(
                Index::create()
                    .name(BEING_ERASED)
                    .table(User::Table)
                    .col(UserColumn::ErasingAt)
                    .and_where(Expr::col(UserColumn::ErasingAt).is_not_null())
                    .and_where(Expr::col(UserColumn::ErasedAt).is_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name(BY_ERASURE)
                    .table(User::Table)
                    .col(UserColumn::ErasedAt)
                    .and_where(Expr::col(UserColumn::ErasedAt).is_not_null())
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in [BY_ERASURE, BEING_ERASED] {
            let index = Index::drop().name(name).table(User::Table).to_owned();
            manager.drop_index(index).await?;
        }
        let creator = DocumentColumn::CreatorId;
        manager
            .alter_table(Table::alter().table(Document::Table).drop_column(creator).to_owned())
            .await?;
        for column in [UserColumn::ErasedAt, UserColumn::HeirId, UserColumn::ErasingAt] {
            let column = Table::alter().table(User::Table).drop_column(column).to_owned();
            manager.alter_table(column).await?;
        }
        Ok(())
    }
}
