//! Opening and closing the database, and beginning transactions.
//!
//! Invariant: a write transaction locks what it decides about before it reads. What it has read is therefore still true
//! when it writes. SQLite locks the whole file, PostgreSQL the rows of the documents
//! ([`document_lock`](super::document_lock)).

use std::{future::Future, sync::Arc, time::Duration};

use futures_util::future::join_all;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait,
};
use tokio::time::timeout;

use super::{
    StoreError, StoreOptions,
    checkpoints::Checkpoints,
    deadline::DeadlinePool,
    document_lock::DocumentLocks,
    group_commit::{CommitQueue, CommitTiming},
    postgres,
    quotas::StoreQuotas,
    renewable_pool::RenewablePool,
    retirement::Retirement,
    sqlite,
    turns::StoreTurns,
};
use crate::domain::Party;

/// How long a pool may take to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// The connections by purpose.
pub(super) struct Pools {
    /// Commits groups of batches.
    pub(super) committer: RenewablePool,
    /// Waits for documents that another node has locked.
    pub(super) locking: RenewablePool,
    /// The number of its connections.
    pub(super) locking_connections: u32,
    /// Writes everything else.
    pub(super) writer: RenewablePool,
    /// The number of its connections.
    pub(super) writer_connections: u32,
    pub(super) readers: RenewablePool,
    /// Of a SQLite file.
    pub(super) checkpoints: Option<Checkpoints>,
}

/// Whether the database can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writability {
    /// It accepts reads and writes.
    Writable,
    /// It accepts reads only, for example because it is no longer the primary.
    ReadOnly,
}

/// The stored data. Clones share the same connections.
#[derive(Clone)]
pub struct Store {
    pub(super) readers: DeadlinePool,
    pub(super) writer: RenewablePool,
    /// The same connections, for single statements.
    pub(super) statements: DeadlinePool,
    pub(super) commit_queue: CommitQueue,
    pub(super) locks: DocumentLocks,
    pub(super) quotas: Arc<StoreQuotas>,
    checkpoints: Option<Arc<Checkpoints>>,
    pub(super) turns: StoreTurns,
    retirement: Arc<Retirement>,
    /// How long a write other than a commit may take, its wait for a connection included, but not that for its turn.
    write_within: Duration,
    /// The longest pause between two changes of one history entry.
    pub(super) history_pause: Duration,
    /// How long changes are kept although the owner of their document deletes its history.
    pub(super) history_kept: Duration,
    /// How long a deleted document stays in the bin of its owner.
    pub(super) bin_kept: Duration,
}

impl Store {
    /// Opens the database. A missing file of SQLite is created with its folder if the URL contains `mode=rwc`. The
    /// schema is left as it is; [`Store::migrate_up`] updates it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the database cannot be opened, [`StoreError::Internal`] if the URL is invalid or
    /// the file is not a database.
    pub async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let retirement = Arc::new(Retirement::default());
        let pools = if options.is_postgres() {
            postgres::open(options, &retirement).await?
        } else {
            sqlite::open(options).await?
        };
        let timing = CommitTiming {
            every: options.commit_every,
            start_within: options.acquire_within,
            finish_within: options.answer_within,
        };
        let quotas = Arc::new(StoreQuotas::new(options));
        let turns =
            StoreTurns::new(options.readers, pools.writer_connections, options.acquire_within);
        let locks =
            DocumentLocks::new(&pools, options, Arc::clone(&retirement), Arc::clone(&quotas));
        let commit_queue = CommitQueue::start(pools.committer, locks.clone(), timing);
        Ok(Self {
            readers: DeadlinePool::new(
                pools.readers,
                options.answer_within,
                Arc::clone(&retirement),
            ),
            statements: DeadlinePool::new(
                pools.writer.clone(),
                options.acquire_within + options.answer_within,
                Arc::clone(&retirement),
            ),
            writer: pools.writer,
            commit_queue,
            locks,
            quotas,
            checkpoints: pools.checkpoints.map(Arc::new),
            turns,
            retirement,
            write_within: options.acquire_within + options.answer_within,
            history_pause: options.history_pause,
            history_kept: options.history_kept,
            bin_kept: options.bin_kept,
        })
    }

    /// Whether single documents can be locked. SQLite locks the whole file.
    #[must_use]
    pub fn locks_documents(&self) -> bool {
        self.writer.get_database_backend() != DbBackend::Sqlite
    }

    /// Checks that the database answers, and whether it accepts writes.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it does not answer.
    pub async fn ping(&self) -> Result<Writability, StoreError> {
        let backend = self.readers.get_database_backend();
        if backend == DbBackend::Sqlite {
            // Unlike `SELECT 1`, this reads from the file.
            let query = Statement::from_string(backend, "PRAGMA schema_version");
            self.readers.query_one_raw(query).await?;
            return Ok(Writability::Writable);
        }
        let query = "SELECT current_setting('transaction_read_only') = 'on' AS is_read_only";
        let row = self.readers.query_one_raw(Statement::from_string(backend, query)).await?;
        let is_read_only = row.map(|row| row.try_get::<bool>("", "is_read_only")).transpose()?;
        if is_read_only != Some(true) {
            return Ok(Writability::Writable);
        }
        self.retirement.retire_all();
        Ok(Writability::ReadOnly)
    }

    /// Waits for running operations, at most 10 seconds, and closes every connection. Later calls fail with
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        // The writer comes last: the last connection to a file of SQLite moves the write-ahead log into the file.
        let checkpoints = self.checkpoints.as_deref();
        if let Some(checkpoints) = checkpoints {
            checkpoints.end().await;
        }
        let others = [self.readers.pool(), self.locks.pool(), self.commit_queue.pool()];
        join_all(others.into_iter().chain(checkpoints.map(Checkpoints::pool)).map(close)).await;
        close(&self.writer).await;
    }

    /// Begins a write transaction. It is rolled back unless it is committed.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        begin_write(&self.writer).await
    }

    /// Runs a write when it is the turn of a party, and limits its time. Every write that is no commit of a batch goes through
    /// here, or is a statement of `statements` in a turn, except migrations. The caller must not be dropped meanwhile: its
    /// connection would return to the pool although it may not answer.
    ///
    /// # Errors
    /// Those of `work`; [`StoreError::Busy`] if the party had no turn within `store.acquire_within`, and
    /// [`StoreError::Unavailable`] if the work takes too long. What it has written is then rolled back, unless its commit is
    /// under way.
    pub(super) fn write<T>(
        &self,
        party: Party,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        let limited = self.retirement.limit(self.write_within, work);
        let writing = self.turns.write(party, limited);
        async move { writing.await??.inspect_err(|error| self.retirement.note(error)) }
    }

    /// As [`write`](Self::write), for work that no user waits for. It waits for its turn for 30 s.
    pub(super) fn write_patiently<T>(
        &self,
        party: Party,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> impl Future<Output = Result<T, StoreError>> {
        let limited = self.retirement.limit(self.write_within, work);
        let writing = self.turns.write_patiently(party, limited);
        async move { writing.await??.inspect_err(|error| self.retirement.note(error)) }
    }
}

/// Closes a pool. A database that does not answer must not keep the process from ending.
async fn close(pool: &RenewablePool) {
    match timeout(CLOSE_WITHIN, pool.get().close_by_ref()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "could not close a database pool"),
        Err(_elapsed) => tracing::warn!("timed out closing a database pool"),
    }
}

/// Begins a write transaction. It is rolled back unless it is committed.
pub(super) async fn begin_write(pool: &RenewablePool) -> Result<DatabaseTransaction, StoreError> {
    let options = TransactionOptions {
        // Takes the write lock before the first read. Taking it later could fail halfway through the transaction.
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let begun = pool.get().begin_with_options(options).await;
    pool.note(&begun);
    Ok(begun?)
}
