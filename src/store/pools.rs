//! Opening and closing the database, and how a transaction begins.
//!
//! Invariant: a writing transaction has what it decides about locked before it reads, so what it read is still true when
//! it writes. With SQLite that is the file, with PostgreSQL the rows of the documents ([`lock_documents`]).

use std::time::Duration;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait, sea_query::LockType,
};

use entity::document;

use super::{
    StoreError, StoreOptions,
    deadline::Patient,
    group_commit::{Committer, Pace},
    postgres, sqlite,
};
use crate::domain::DocumentId;

/// The stored data. Clones share the same connections.
#[derive(Clone)]
pub struct Store {
    pub(super) readers: Patient,
    pub(super) writer: DatabaseConnection,
    pub(super) commits: Committer,
    /// A longer pause than this begins another run of changes.
    pub(super) history_pause: Duration,
}

impl Store {
    /// Opens the database: a file of SQLite, which is made with its folder if the URL says so, or PostgreSQL. The tables
    /// are left as they are: see [`Store::migrate_up`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it cannot be opened, [`StoreError::Internal`] if the URL is wrong or the file is
    /// not a database.
    pub async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let (writer, readers) = if options.is_postgres() {
            postgres::open(options).await?
        } else {
            sqlite::open(options).await?
        };
        let pace = Pace {
            every: options.commit_every,
            turn_within: options.acquire_within,
            commit_within: options.answer_within,
        };
        let commits = Committer::start(writer.clone(), pace);
        let readers = Patient::new(readers, options.answer_within);
        Ok(Self { readers, writer, commits, history_pause: options.history_pause })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let backend = self.readers.get_database_backend();
        let question = match backend {
            // Unlike `SELECT 1`, this reads from the file.
            DbBackend::Sqlite => "PRAGMA schema_version",
            _ => "SELECT 1",
        };
        self.readers.query_one_raw(Statement::from_string(backend, question)).await?;
        Ok(())
    }

    /// Finishes what is under way and closes every connection; later calls are
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        // The writer last: the last connection of SQLite to go moves the write-ahead log into the file.
        for pool in [self.readers.pool(), &self.writer] {
            // A database that does not answer does not keep the process from ending.
            match tokio::time::timeout(CLOSE_WITHIN, pool.close_by_ref()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a database pool did not close"),
                Err(_elapsed) => tracing::warn!("a database pool took too long to close"),
            }
        }
    }

    /// Begins a writing transaction, which is undone unless it is committed.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        begin_writing(&self.writer).await
    }
}

/// How long a pool may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Begins a writing transaction, which is undone unless it is committed.
pub(super) async fn begin_writing(
    writer: &DatabaseConnection,
) -> Result<DatabaseTransaction, StoreError> {
    let options = TransactionOptions {
        // It has the lock before it reads, so it cannot fail half-way for want of it.
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(writer.begin_with_options(options).await?)
}

/// Nobody else decides about these documents until the transaction ends. What is read after this is as the last one
/// left it: every statement of PostgreSQL's default isolation sees what was committed before it began.
///
/// In the order of the ids, so that two transactions never wait for each other.
pub(super) async fn lock_documents(
    txn: &DatabaseTransaction,
    documents: impl IntoIterator<Item = DocumentId>,
) -> Result<(), StoreError> {
    if txn.get_database_backend() == DbBackend::Sqlite {
        return Ok(());
    }
    let ids = documents.into_iter().map(DocumentId::uuid);
    let _locked: Vec<uuid::Uuid> = document::Entity::find()
        .select_only()
        .column(document::Column::Id)
        .filter(document::Column::Id.is_in(ids))
        .order_by_asc(document::Column::Id)
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .all(txn)
        .await?;
    Ok(())
}
