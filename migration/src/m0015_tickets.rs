//! Creates the table of tickets that were redeemed.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum RedeemedTicket {
    Table,
    Id,
    ExpiresAt,
}

const BY_EXPIRY: &str = "idx_redeemed_ticket_expires_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(RedeemedTicket::Table)
                    .col(ColumnDef::new(RedeemedTicket::Id).uuid().not_null().primary_key())
                    .col(
                        ColumnDef::new(RedeemedTicket::ExpiresAt)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name(BY_EXPIRY)
                    .table(RedeemedTicket::Table)
                    .col(RedeemedTicket::ExpiresAt)
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(RedeemedTicket::Table).to_owned()).await
    }
}
