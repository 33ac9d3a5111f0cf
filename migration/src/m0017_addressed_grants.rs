//! Lets grants be made to e-mail addresses and be accepted, and creates the tables of grants to addresses without an account and
//! of users who block others.

use sea_orm_migration::prelude::*;

use crate::{m0001_users::User, m0002_documents::Document, m0003_access::DocumentAccess};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum GrantColumn {
    Email,
    GrantedBy,
    AcceptedAt,
}

#[derive(DeriveIden)]
enum AddressGrant {
    Table,
    DocumentId,
    Email,
    Level,
    GrantedBy,
    GrantedAt,
    EndsAt,
}

#[derive(DeriveIden)]
enum UserBlock {
    Table,
    UserId,
    BlockedId,
}

const BY_END: &str = "idx_address_grant_ends_at";
const BY_BLOCKED: &str = "idx_user_block_blocked";
const BY_EMAIL: &str = "idx_address_grant_email";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = [
            ColumnDef::new(GrantColumn::Email).string().to_owned(),
            ColumnDef::new(GrantColumn::GrantedBy).uuid().to_owned(),
            ColumnDef::new(GrantColumn::AcceptedAt).timestamp_with_time_zone().to_owned(),
        ];
        for column in columns {
            let table = Table::alter().table(DocumentAccess::Table).add_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        // Until now, nobody had to accept.
        let accepted = "UPDATE document_access SET accepted_at = granted_at";
        manager.get_connection().execute_unprepared(accepted).await?;
        manager
            .create_table(
                Table::create()
                    .table(AddressGrant::Table)
                    .col(ColumnDef::new(AddressGrant::DocumentId).uuid().not_null())
                    .col(ColumnDef::new(AddressGrant::Email).string().not_null())
                    .col(ColumnDef::new(AddressGrant::Level).small_integer().not_null())
                    .col(ColumnDef::new(AddressGrant::GrantedBy).uuid().not_null())
                    .col(
                        ColumnDef::new(AddressGrant::GrantedAt)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .col(ColumnDef::new(AddressGrant::EndsAt).timestamp_with_time_zone())
                    .primary_key(
                        Index::create().col(AddressGrant::DocumentId).col(AddressGrant::Email),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_address_grant_document")
                            .from(AddressGrant::Table, AddressGrant::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        let by_email = Index::create()
            .name(BY_EMAIL)
            .table(AddressGrant::Table)
            .col(AddressGrant::Email)
            .to_owned();
        manager.create_index(by_email).await?;
        let by_end = Index::create()
            .name(BY_END)
            .table(AddressGrant::Table)
            .col(AddressGrant::EndsAt)
            .and_where(Expr::col(AddressGrant::EndsAt).is_not_null())
            .to_owned();
        manager.create_index(by_end).await?;
        let mut blocks = Table::create()
            .table(UserBlock::Table)
            .col(ColumnDef::new(UserBlock::UserId).uuid().not_null())
            .col(ColumnDef::new(UserBlock::BlockedId).uuid().not_null())
            .primary_key(Index::create().col(UserBlock::UserId).col(UserBlock::BlockedId))
            .to_owned();
        for (name, column) in [
            ("fk_user_block_user", UserBlock::UserId),
            ("fk_user_block_blocked", UserBlock::BlockedId),
        ] {
            let key = ForeignKey::create()
                .name(name)
                .from(UserBlock::Table, column)
                .to(User::Table, User::Id)
                .on_delete(ForeignKeyAction::Cascade)
                .to_owned();
            blocks.foreign_key(&mut key.clone());
        }
        manager.create_table(blocks).await?;
        let by_blocked = Index::create()
            .name(BY_BLOCKED)
            .table(UserBlock::Table)
            .col(UserBlock::BlockedId)
            .to_owned();
        manager.create_index(by_blocked).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(UserBlock::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(AddressGrant::Table).to_owned()).await?;
        for column in [GrantColumn::AcceptedAt, GrantColumn::GrantedBy, GrantColumn::Email] {
            let table = Table::alter().table(DocumentAccess::Table).drop_column(column).to_owned();
            manager.alter_table(table).await?;
        }
        Ok(())
    }
}
