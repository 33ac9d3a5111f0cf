//! Creates the table of access levels that come from elsewhere than a grant, lets grants end by themselves, and counts how often
//! an application has said that its rules have changed.

use sea_orm_migration::prelude::*;

use crate::{m0001_users::User, m0002_documents::Document, m0003_access::DocumentAccess};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Entitlement {
    Table,
    DocumentId,
    UserId,
    Kind,
    SourceId,
    Level,
    EndsAt,
}

#[derive(DeriveIden)]
enum GrantColumn {
    EndsAt,
}

/// A column of documents and of users.
#[derive(DeriveIden)]
enum RulesColumn {
    RulesVersion,
}

const BY_SOURCE: &str = "idx_entitlement_source";
const BY_USER: &str = "idx_entitlement_user";
const BY_END: &str = "idx_entitlement_ends_at";
const GRANTS_BY_END: &str = "idx_document_access_ends_at";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let ends_at = ColumnDef::new(GrantColumn::EndsAt).timestamp_with_time_zone().to_owned();
        manager
            .alter_table(Table::alter().table(DocumentAccess::Table).add_column(ends_at).to_owned())
            .await?;
        manager.create_index(by_end(GRANTS_BY_END, DocumentAccess::Table)).await?;
        let counter = || {
            let mut column = ColumnDef::new(RulesColumn::RulesVersion);
            column.big_integer().not_null().default(0).take()
        };
        let of_documents = Table::alter().table(Document::Table).add_column(counter()).to_owned();
        manager.alter_table(of_documents).await?;
        let of_users = Table::alter().table(User::Table).add_column(counter()).to_owned();
        manager.alter_table(of_users).await?;
        manager
            .create_table(
                Table::create()
                    .table(Entitlement::Table)
                    .col(ColumnDef::new(Entitlement::DocumentId).uuid().not_null())
                    .col(ColumnDef::new(Entitlement::UserId).uuid().not_null())
                    .col(ColumnDef::new(Entitlement::Kind).small_integer().not_null())
                    .col(ColumnDef::new(Entitlement::SourceId).uuid().not_null())
                    .col(ColumnDef::new(Entitlement::Level).small_integer().not_null())
                    .col(ColumnDef::new(Entitlement::EndsAt).timestamp_with_time_zone())
                    .primary_key(
                        Index::create()
                            .col(Entitlement::DocumentId)
                            .col(Entitlement::UserId)
                            .col(Entitlement::Kind)
                            .col(Entitlement::SourceId),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_entitlement_document")
                            .from(Entitlement::Table, Entitlement::DocumentId)
                            .to(Document::Table, Document::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .foreign_key(
                        ForeignKey::create()
                            .name("fk_entitlement_user")
                            .from(Entitlement::Table, Entitlement::UserId)
                            .to(User::Table, User::Id)
                            .on_delete(ForeignKeyAction::Cascade),
                    )
                    .to_owned(),
            )
            .await?;
        let by_source = Index::create()
            .name(BY_SOURCE)
            .table(Entitlement::Table)
            .col(Entitlement::SourceId)
            .to_owned();
        manager.create_index(by_source).await?;
        let by_user = Index::create()
            .name(BY_USER)
            .table(Entitlement::Table)
            .col(Entitlement::UserId)
            .to_owned();
        manager.create_index(by_user).await?;
        manager.create_index(by_end(BY_END, Entitlement::Table)).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Entitlement::Table).to_owned()).await?;
        let index = Index::drop().name(GRANTS_BY_END).table(DocumentAccess::Table).to_owned();
        manager.drop_index(index).await?;
        let counter = RulesColumn::RulesVersion;
        let of_users = Table::alter().table(User::Table).drop_column(counter).to_owned();
        manager.alter_table(of_users).await?;
        let counter = RulesColumn::RulesVersion;
        let of_documents = Table::alter().table(Document::Table).drop_column(counter).to_owned();
        manager.alter_table(of_documents).await?;
        let column = GrantColumn::EndsAt;
        let column = Table::alter().table(DocumentAccess::Table).drop_column(column).to_owned();
        manager.alter_table(column).await
    }
}

/// Returns an index of the rows that end by themselves.
fn by_end(name: &str, table: impl IntoIden + 'static) -> IndexCreateStatement {
    Index::create()
        .name(name)
        .table(table.into_iden())
        .col(GrantColumn::EndsAt)
        .and_where(Expr::col(GrantColumn::EndsAt).is_not_null())
        .to_owned()
}
