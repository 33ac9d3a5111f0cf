//! Counts how often all sign-ins of an account have ended, and creates the table of sign-ins that have ended alone.

use sea_orm_migration::prelude::*;

use crate::m0001_users::User;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Column {
    Generation,
    EndedAt,
    BlockedAt,
}

#[derive(DeriveIden)]
enum EndedSignIn {
    Table,
    UserId,
    SignInId,
    EndedAt,
    KeptUntil,
}

const BY_END: &str = "idx_user_ended_at";
const SIGN_INS_BY_END: &str = "idx_ended_sign_in_ended_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for column in [
            ColumnDef::new(Column::Generation).big_integer().not_null().default(0).to_owned(),
            ColumnDef::new(Column::EndedAt).timestamp_with_time_zone().to_owned(),
            ColumnDef::new(Column::BlockedAt).timestamp_with_time_zone().to_owned(),
        ] {
            manager
                .alter_table(Table::alter().table(User::Table).add_column(column).to_owned())
                .await?;
        }
        manager
            .create_index(
                Index::create()
                    .name(BY_END)
                    .table(User::Table)
                    .col(Column::EndedAt)
                    .and_where(Expr::col(Column::EndedAt).is_not_null())
                    .to_owned(),
            )
            .await?;
        manager
            .create_table(
                Table::create()
                    .table(EndedSignIn::Table)
                    .col(ColumnDef::new(EndedSignIn::UserId).uuid().not_null())
                    .col(ColumnDef::new(EndedSignIn::SignInId).uuid().not_null())
                    .col(ColumnDef::new(EndedSignIn::EndedAt).timestamp_with_time_zone().not_null())
                    .col(
                        ColumnDef::new(EndedSignIn::KeptUntil)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .primary_key(
                        Index::create().col(EndedSignIn::UserId).col(EndedSignIn::SignInId),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_ended_sign_in_user")
                            .from(EndedSignIn::Table, EndedSignIn::UserId)
                            .to(User::Table, User::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        manager
            .create_index(
                Index::create()
                    .name(SIGN_INS_BY_END)
                    .table(EndedSignIn::Table)
                    .col(EndedSignIn::EndedAt)
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(EndedSignIn::Table).to_owned()).await?;
        let index = Index::drop().name(BY_END).table(User::Table).to_owned();
        manager.drop_index(index).await?;
        for column in [Column::BlockedAt, Column::EndedAt, Column::Generation] {
            let column = Table::alter().table(User::Table).drop_column(column).to_owned();
            manager.alter_table(column).await?;
        }
        Ok(())
    }
}
