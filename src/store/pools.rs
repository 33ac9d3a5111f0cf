//! Opening and closing the database, and beginning transactions.
//!
//! Invariant: a write transaction locks what it decides about before it reads. What it has read is therefore still true
//! when it writes. SQLite locks the whole file, PostgreSQL the rows of the documents ([`lock_documents`]).

use std::time::Duration;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, EntityTrait,
    QueryFilter, QueryOrder, QuerySelect, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait, sea_query::LockType,
};

use entity::document;

use super::{
    StoreError, StoreOptions,
    deadline::DeadlinePool,
    group_commit::{CommitQueue, CommitTiming},
    postgres, sqlite,
};
use crate::domain::DocumentId;

/// How long a pool may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The stored data. Clones share the same connections.
#[derive(Clone)]
pub struct Store {
    pub(super) readers: DeadlinePool,
    pub(super) writer: DatabaseConnection,
    pub(super) commit_queue: CommitQueue,
    /// The longest pause between two changes of one history entry.
    pub(super) history_pause: Duration,
}

impl Store {
    /// Opens the database. A missing file of SQLite is created with its folder if the URL contains `mode=rwc`. The
    /// schema is left as it is; [`Store::migrate_up`] updates it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database cannot be opened, [`StoreError::Internal`] if the URL is invalid or
    /// the file is not a database.
    pub async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let (writer, readers) = if options.is_postgres() {
            postgres::open(options).await?
        } else {
            sqlite::open(options).await?
        };
        let timing = CommitTiming {
            every: options.commit_every,
            start_within: options.acquire_within,
            finish_within: options.answer_within,
        };
        let commit_queue = CommitQueue::start(writer.clone(), timing);
        let readers = DeadlinePool::new(readers, options.answer_within);
        Ok(Self { readers, writer, commit_queue, history_pause: options.history_pause })
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let backend = self.readers.get_database_backend();
        let query = match backend {
            // Unlike `SELECT 1`, this reads from the file.
            DbBackend::Sqlite => "PRAGMA schema_version",
            _ => "SELECT 1",
        };
        self.readers.query_one_raw(Statement::from_string(backend, query)).await?;
        Ok(())
    }

    /// Waits for running operations, at most 5 seconds per pool, and closes every connection. Later calls fail with
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        // The writer comes last: the last connection to a file of SQLite moves the write-ahead log into the file.
        for pool in [self.readers.pool(), &self.writer] {
            // A database that does not answer must not keep the process from ending.
            match tokio::time::timeout(CLOSE_WITHIN, pool.close_by_ref()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "could not close a database pool"),
                Err(_elapsed) => tracing::warn!("timed out closing a database pool"),
            }
        }
    }

    /// Begins a write transaction. It is rolled back unless it is committed.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        begin_write(&self.writer).await
    }
}

/// Begins a write transaction. It is rolled back unless it is committed.
pub(super) async fn begin_write(
    writer: &DatabaseConnection,
) -> Result<DatabaseTransaction, StoreError> {
    let options = TransactionOptions {
        // Takes the write lock before the first read. Taking it later could fail halfway through the transaction.
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(writer.begin_with_options(options).await?)
}

/// Locks the rows of these documents until the transaction ends. Reads that follow see what the previous holder of the
/// lock committed: in PostgreSQL's default isolation, each statement sees everything committed before it began.
///
/// Rows are locked in the order of their ids, so that two transactions cannot deadlock.
pub(super) async fn lock_documents(
    txn: &DatabaseTransaction,
    documents: impl IntoIterator<Item = DocumentId>,
) -> Result<(), StoreError> {
    // A write transaction of SQLite has locked the whole file already.
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
