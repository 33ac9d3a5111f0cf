//! Creates the table of invitations and links to documents, and marks the accounts of guests who came by one.

use sea_orm_migration::prelude::*;

use crate::{m0001_users::User, m0002_documents::Document};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum DocumentLink {
    Table,
    Id,
    DocumentId,
    Kind,
    SecretHash,
    Level,
    UsesLeft,
    MaxGuests,
    CreatedBy,
    CreatedAt,
    EndsAt,
    AccessEndsAt,
    RevokedAt,
}

#[derive(DeriveIden)]
enum LinkBar {
    Table,
    DocumentId,
    UserId,
}

#[derive(DeriveIden)]
enum GuestColumn {
    GuestOf,
}

const BY_DOCUMENT: &str = "idx_document_link_document";
const BY_CREATOR: &str = "idx_document_link_created_by";
const BARS_BY_USER: &str = "idx_link_bar_user";
const REVOKED: &str = "idx_document_link_revoked_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let guest_of = ColumnDef::new(GuestColumn::GuestOf).uuid().to_owned();
        let users = Table::alter().table(User::Table).add_column(guest_of).to_owned();
        manager.alter_table(users).await?;
        let time =
            |column: DocumentLink| ColumnDef::new(column).timestamp_with_time_zone().to_owned();
        manager
            .create_table(
                Table::create()
                    .table(DocumentLink::Table)
                    .col(ColumnDef::new(DocumentLink::Id).uuid().not_null().primary_key())
                    .col(ColumnDef::new(DocumentLink::DocumentId).uuid().not_null())
                    .col(ColumnDef::new(DocumentLink::Kind).small_integer().not_null())
                    .col(ColumnDef::new(DocumentLink::SecretHash).binary().unique_key())
                    .col(ColumnDef::new(DocumentLink::Level).small_integer().not_null())
                    .col(ColumnDef::new(DocumentLink::UsesLeft).integer())
                    .col(ColumnDef::new(DocumentLink::MaxGuests).integer().not_null())
                    .col(ColumnDef::new(DocumentLink::CreatedBy).uuid())
                    .col(time(DocumentLink::CreatedAt).not_null())
                    .col(time(DocumentLink::EndsAt))
                    .col(time(DocumentLink::AccessEndsAt))
                    .col(time(DocumentLink::RevokedAt))
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_document_link_document")
                            .from(DocumentLink::Table, DocumentLink::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_document_link_created_by")
                            .from(DocumentLink::Table, DocumentLink::CreatedBy)
                            .to(User::Table, User::Id)
                            .on_delete(ForeignKeyAction::SetNull),
                    )
                    .to_owned(),
            )
            .await?;
        let by_document = Index::create()
            .name(BY_DOCUMENT)
            .table(DocumentLink::Table)
            .col(DocumentLink::DocumentId)
            .to_owned();
        manager.create_index(by_document).await?;
        let by_creator = Index::create()
            .name(BY_CREATOR)
            .table(DocumentLink::Table)
            .col(DocumentLink::CreatedBy)
            .to_owned();
        manager.create_index(by_creator).await?;
        let revoked = Index::create()
            .name(REVOKED)
            .table(DocumentLink::Table)
            .col(DocumentLink::RevokedAt)
            .and_where(Expr::col(DocumentLink::RevokedAt).is_not_null())
            .to_owned();
        manager.create_index(revoked).await?;
        manager
            .create_table(
                Table::create()
                    .table(LinkBar::Table)
                    .col(ColumnDef::new(LinkBar::DocumentId).uuid().not_null())
                    .col(ColumnDef::new(LinkBar::UserId).uuid().not_null())
                    .primary_key(Index::create().col(LinkBar::DocumentId).col(LinkBar::UserId))
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_link_bar_document")
                            .from(LinkBar::Table, LinkBar::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_link_bar_user")
                            .from(LinkBar::Table, LinkBar::UserId)
                            .to(User::Table, User::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        let bars = Index::create()
            .name(BARS_BY_USER)
            .table(LinkBar::Table)
            .col(LinkBar::UserId)
            .to_owned();
        manager.create_index(bars).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(LinkBar::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(DocumentLink::Table).to_owned()).await?;
        let column = GuestColumn::GuestOf;
        let users = Table::alter().table(User::Table).drop_column(column).to_owned();
        manager.alter_table(users).await
    }
}
