//! Creates the tables of the keys that applications sign document tokens with, and of the tokens that were used.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum ApplicationKey {
    Table,
    Id,
    Application,
    Key,
    CreatedAt,
    RemovedAt,
}

#[derive(DeriveIden)]
enum DocumentToken {
    Table,
    SignInId,
    Application,
    KeyId,
    UserId,
    EndedAt,
    KeptUntil,
}

const BY_KEY: &str = "idx_document_token_key_id";
const BY_TIME: &str = "idx_document_token_kept_until";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let time =
            |column: ApplicationKey| ColumnDef::new(column).timestamp_with_time_zone().to_owned();
        manager
            .create_table(
                Table::create()
                    .table(ApplicationKey::Table)
                    .col(ColumnDef::new(ApplicationKey::Id).string().not_null().primary_key())
                    .col(ColumnDef::new(ApplicationKey::Application).string().not_null())
                    .col(ColumnDef::new(ApplicationKey::Key).text().not_null())
                    .col(time(ApplicationKey::CreatedAt).not_null())
                    .col(time(ApplicationKey::RemovedAt))
                    .to_owned(),
            )
            .await?;
        let time =
            |column: DocumentToken| ColumnDef::new(column).timestamp_with_time_zone().to_owned();
        manager
            .create_table(
                Table::create()
                    .table(DocumentToken::Table)
                    .col(ColumnDef::new(DocumentToken::SignInId).uuid().not_null().primary_key())
                    .col(ColumnDef::new(DocumentToken::Application).string().not_null())
                    .col(ColumnDef::new(DocumentToken::KeyId).string())
                    .col(ColumnDef::new(DocumentToken::UserId).uuid())
                    .col(time(DocumentToken::EndedAt))
                    .col(time(DocumentToken::KeptUntil).not_null())
                    .to_owned(),
            )
            .await?;
        let by_key = Index::create()
            .name(BY_KEY)
            .table(DocumentToken::Table)
            .col(DocumentToken::KeyId)
            .to_owned();
        manager.create_index(by_key).await?;
        let by_time = Index::create()
            .name(BY_TIME)
            .table(DocumentToken::Table)
            .col(DocumentToken::KeptUntil)
            .to_owned();
        manager.create_index(by_time).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DocumentToken::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(ApplicationKey::Table).to_owned()).await
    }
}
