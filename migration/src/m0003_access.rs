//! Creates the table of access levels that owners grant to other users.

use sea_orm_migration::prelude::*;

use crate::{m0001_users::User, m0002_documents::Document};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
pub(crate) enum DocumentAccess {
    Table,
    DocumentId,
    UserId,
    Level,
    GrantedAt,
}

const BY_USER: &str = "idx_document_access_user";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .create_table(
                Table::create()
                    .table(DocumentAccess::Table)
                    .col(ColumnDef::new(DocumentAccess::DocumentId).uuid().not_null())
                    .col(ColumnDef::new(DocumentAccess::UserId).uuid().not_null())
                    .col(ColumnDef::new(DocumentAccess::Level).small_integer().not_null())
                    .col(
                        ColumnDef::new(DocumentAccess::GrantedAt)
                            .timestamp_with_time_zone()
                            .not_null(),
                    )
                    .primary_key(
                        Index::create().col(DocumentAccess::DocumentId).col(DocumentAccess::UserId),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_document_access_document")
                            .from(DocumentAccess::Table, DocumentAccess::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_document_access_user")
                            .from(DocumentAccess::Table, DocumentAccess::UserId)
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
                    .table(DocumentAccess::Table)
                    .col(DocumentAccess::UserId)
                    .col(DocumentAccess::DocumentId)
                    .to_owned(),
            )
            .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DocumentAccess::Table).to_owned()).await
    }
}
