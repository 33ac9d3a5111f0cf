//! Opening and closing the database, and how a transaction begins.
//!
//! The writer is a pool of one: SQLite has one writer at a time anyway, and here callers wait in
//! order instead of finding the file locked. Readers are forbidden to write by the database itself.
//!
//! Invariant: a writing transaction has the lock before it reads, so what it read is still true
//! when it writes, and it cannot fail half-way for want of the lock.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, str::FromStr};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    sqlx::{
        Connection,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use super::{
    StoreError, StoreOptions,
    group_commit::{Committer, Pace},
};

/// The stored data. Clones share the same connections.
#[derive(Clone)]
pub struct Store {
    pub(super) readers: DatabaseConnection,
    pub(super) writer: DatabaseConnection,
    pub(super) commits: Committer,
}

impl Store {
    /// Opens the database, and makes the file and its folder if the URL says so. The tables are
    /// left as they are: see [`Store::migrate_up`].
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the file cannot be opened, [`StoreError::Internal`] if the
    /// URL is wrong or the file is not a database.
    pub async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let in_memory = options.url.contains(":memory:") || options.url.contains("mode=memory");
        if !in_memory && options.url.contains("mode=rwc") {
            make_folder(&options.url)?;
        }
        // First the writer: it makes the file, which a reader could not.
        let writer = connect(options, Role::Writer).await?;
        let readers = if in_memory {
            // Two connections to one database in memory lock each other's tables out.
            writer.clone()
        } else {
            connect(options, Role::Readers).await?
        };
        let pace = Pace { every: options.commit_every, turn_within: options.acquire_within };
        let commits = Committer::start(writer.clone(), pace);
        Ok(Self { readers, writer, commits })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        // Unlike `SELECT 1`, this reads from the file.
        let question =
            Statement::from_string(self.readers.get_database_backend(), "PRAGMA schema_version");
        self.readers.query_one_raw(question).await?;
        Ok(())
    }

    /// Finishes what is under way and closes every connection; later calls are
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        // The writer last: the last connection to go moves the write-ahead log into the file.
        for pool in [&self.readers, &self.writer] {
            if let Err(error) = pool.close_by_ref().await {
                tracing::warn!(%error, "a database pool did not close");
            }
        }
    }

    /// Begins a writing transaction, which is undone unless it is committed.
    pub(super) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        begin_writing(&self.writer).await
    }
}

/// Begins a writing transaction, which is undone unless it is committed.
pub(super) async fn begin_writing(
    writer: &DatabaseConnection,
) -> Result<DatabaseTransaction, StoreError> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(writer.begin_with_options(options).await?)
}

/// What the connections of a pool are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Readers,
}

fn make_folder(url: &str) -> Result<(), StoreError> {
    let file = SqliteConnectOptions::from_str(url)?;
    match file.get_filename().parent() {
        // Blocking, but once, before anything else runs. The files in it hold what people wrote, so nobody else on
        // the machine may look into it.
        Some(folder) => DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| StoreError::Unavailable(error.into())),
        None => Ok(()),
    }
}

async fn connect(store: &StoreOptions, role: Role) -> Result<DatabaseConnection, StoreError> {
    let busy_within = store.busy_within;
    let mut options = ConnectOptions::new(&store.url);
    options
        .max_connections(if role == Role::Writer { 1 } else { store.readers.max(1) })
        .acquire_timeout(store.acquire_within)
        // A file does not tire of its connections, and one in memory is lost with the last of them.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |file| {
            let file = file
                .journal_mode(SqliteJournalMode::Wal)
                // With NORMAL, a loss of power may take back the last few accepted changes.
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(busy_within);
            if role == Role::Readers { file.pragma("query_only", "ON") } else { file }
        })
        // A full disk makes SQLite end the transaction by itself, and the driver's count of open
        // ones stays one too high. From then on it would commit savepoints only, and lose what was
        // accepted. So a connection that seems to be in a transaction is not used again.
        .map_sqlx_sqlite_before_acquire(|connection, _| {
            Box::pin(async move { Ok(!connection.is_in_transaction()) })
        });
    Ok(Database::connect(options).await?)
}
