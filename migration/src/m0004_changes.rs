//! Creates the change log, the snapshots, and the receipts of edits that changed nothing.
//!
//! From here on, texts are stored as snapshots and changes instead of in the document's row, so that a keystroke does
//! not write megabytes. `document.content` keeps the texts of older documents until they are first opened.

use sea_orm_migration::prelude::*;

use crate::{m0001_users::User, m0002_documents::Document};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum DocumentChange {
    Table,
    DocumentId,
    Version,
    Kind,
    AuthorId,
    SessionId,
    EditId,
    Fingerprint,
    Title,
    At,
    Delta,
    Update,
}

#[derive(DeriveIden)]
enum DocumentSnapshot {
    Table,
    DocumentId,
    Version,
    State,
}

#[derive(DeriveIden)]
pub(crate) enum DocumentReceipt {
    Table,
    DocumentId,
    AuthorId,
    EditId,
    Version,
    Title,
    Fingerprint,
    At,
}

#[derive(DeriveIden)]
struct Size;

const BY_EDIT: &str = "idx_document_change_edit";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .alter_table(
                Table::alter()
                    .table(Document::Table)
                    .add_column(ColumnDef::new(Size).big_integer().not_null().default(0))
                    .to_owned(),
            )
            .await?;
        let content = Expr::col(Document::Content);
        let measure = Query::update()
            .table(Document::Table)
            .value(Size, Func::cust("octet_length").arg(content))
            .to_owned();
        manager.execute(measure).await?;
        manager.create_table(changes()).await?;
        manager
            .create_index(
                Index::create()
                    .name(BY_EDIT)
                    .table(DocumentChange::Table)
                    .col(DocumentChange::DocumentId)
                    .col(DocumentChange::AuthorId)
                    .col(DocumentChange::EditId)
                    .unique()
                    .to_owned(),
            )
            .await?;
        manager.create_table(snapshots()).await?;
        manager.create_table(receipts()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(DocumentReceipt::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(DocumentSnapshot::Table).to_owned()).await?;
        manager.drop_table(Table::drop().table(DocumentChange::Table).to_owned()).await?;
        manager
            .alter_table(Table::alter().table(Document::Table).drop_column(Size).to_owned())
            .await
    }
}

fn changes() -> TableCreateStatement {
    Table::create()
        .table(DocumentChange::Table)
        .col(ColumnDef::new(DocumentChange::DocumentId).uuid().not_null())
        .col(ColumnDef::new(DocumentChange::Version).big_integer().not_null())
        .col(ColumnDef::new(DocumentChange::Kind).string().not_null())
        .col(ColumnDef::new(DocumentChange::AuthorId).uuid())
        .col(ColumnDef::new(DocumentChange::SessionId).uuid())
        .col(ColumnDef::new(DocumentChange::EditId).string())
        .col(ColumnDef::new(DocumentChange::Fingerprint).binary())
        .col(ColumnDef::new(DocumentChange::Title).text().not_null())
        .col(ColumnDef::new(DocumentChange::At).timestamp_with_time_zone().not_null())
        .col(ColumnDef::new(DocumentChange::Delta).text())
        .col(ColumnDef::new(DocumentChange::Update).blob())
        .primary_key(Index::create().col(DocumentChange::DocumentId).col(DocumentChange::Version))
        .foreign_key(
            ForeignKey::create()
                .name("fk_document_change_document")
                .from(DocumentChange::Table, DocumentChange::DocumentId)
                .to(Document::Table, Document::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .foreign_key(
            ForeignKey::create()
                .name("fk_document_change_author")
                .from(DocumentChange::Table, DocumentChange::AuthorId)
                .to(User::Table, User::Id)
                .on_delete(ForeignKeyAction::SetNull),
        )
        .to_owned()
}

fn snapshots() -> TableCreateStatement {
    Table::create()
        .table(DocumentSnapshot::Table)
        .col(ColumnDef::new(DocumentSnapshot::DocumentId).uuid().not_null())
        .col(ColumnDef::new(DocumentSnapshot::Version).big_integer().not_null())
        .col(ColumnDef::new(DocumentSnapshot::State).blob().not_null())
        .primary_key(
            Index::create().col(DocumentSnapshot::DocumentId).col(DocumentSnapshot::Version),
        )
        .foreign_key(
            ForeignKey::create()
                .name("fk_document_snapshot_document")
                .from(DocumentSnapshot::Table, DocumentSnapshot::DocumentId)
                .to(Document::Table, Document::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

fn receipts() -> TableCreateStatement {
    Table::create()
        .table(DocumentReceipt::Table)
        .col(ColumnDef::new(DocumentReceipt::DocumentId).uuid().not_null())
        .col(ColumnDef::new(DocumentReceipt::AuthorId).uuid().not_null())
        .col(ColumnDef::new(DocumentReceipt::EditId).string().not_null())
        .col(ColumnDef::new(DocumentReceipt::Version).big_integer().not_null())
        .col(ColumnDef::new(DocumentReceipt::Title).text().not_null())
        .col(ColumnDef::new(DocumentReceipt::Fingerprint).binary().not_null())
        .col(ColumnDef::new(DocumentReceipt::At).timestamp_with_time_zone().not_null())
        .primary_key(
            Index::create()
                .col(DocumentReceipt::DocumentId)
                .col(DocumentReceipt::AuthorId)
                .col(DocumentReceipt::EditId),
        )
        .foreign_key(
            ForeignKey::create()
                .name("fk_document_receipt_document")
                .from(DocumentReceipt::Table, DocumentReceipt::DocumentId)
                .to(Document::Table, Document::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .foreign_key(
            ForeignKey::create()
                .name("fk_document_receipt_author")
                .from(DocumentReceipt::Table, DocumentReceipt::AuthorId)
                .to(User::Table, User::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}
