//! Creates the table of users of outside issuers, and adds the confirmed e-mail address of an account.

use sea_orm_migration::prelude::*;

use crate::m0001_users::User;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Identity {
    Table,
    Issuer,
    Subject,
    UserId,
    Name,
    Email,
    SaidAt,
    CreatedAt,
}

#[derive(DeriveIden)]
struct ConfirmedEmail;

const BY_USER: &str = "idx_identity_user";
const BY_CONFIRMED_EMAIL: &str = "idx_user_confirmed_email";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(Identity::Table)
                    .col(ColumnDef::new(Identity::Issuer).text().not_null())
                    .col(ColumnDef::new(Identity::Subject).text().not_null())
                    .col(ColumnDef::new(Identity::UserId).uuid().not_null())
                    .col(ColumnDef::new(Identity::Name).text())
                    .col(ColumnDef::new(Identity::Email).text())
                    .col(ColumnDef::new(Identity::SaidAt).timestamp_with_time_zone().not_null())
                    .col(ColumnDef::new(Identity::CreatedAt).timestamp_with_time_zone().not_null())
                    .primary_key(Index::create().col(Identity::Issuer).col(Identity::Subject))
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_identity_user")
                            .from(Identity::Table, Identity::UserId)
                            .to(User::Table, User::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name(BY_USER)
                    .table(Identity::Table)
                    .col(Identity::UserId)
                    .to_owned(),
            )
            .await?;
        let column = ColumnDef::new(ConfirmedEmail).text().to_owned();
        manager
            .alter_table(Table::alter().table(User::Table).add_column(column).to_owned())
            .await?;
        manager
            .create_index(
                Index::create()
                    .unique()
                    .name(BY_CONFIRMED_EMAIL)
                    .table(User::Table)
                    .col(ConfirmedEmail)
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name(BY_CONFIRMED_EMAIL).table(User::Table).to_owned();
        manager.drop_index(index).await?;
        let column = Table::alter().table(User::Table).drop_column(ConfirmedEmail).to_owned();
        manager.alter_table(column).await?;
        manager.drop_table(Table::drop().table(Identity::Table).to_owned()).await
    }
}
