//! Connections to SQLite.
//!
//! The write pool has a single connection. SQLite allows one writer at a time, and in the pool callers wait in order
//! instead of failing on a locked file. `query_only` keeps the connections for reading from writing. One more connection makes
//! checkpoints ([`Checkpoints`]).

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, str::FromStr};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection,
    sqlx::{
        Connection,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use super::{
    StoreError, StoreOptions, checkpoints::Checkpoints, pools::Pools, renewable_pool::RenewablePool,
};

/// The number of pages of 4 KiB in the write-ahead log at which the writer makes a checkpoint itself.
pub(super) const MAX_WAL_PAGES: &str = "16384";

/// The size in bytes to which SQLite cuts the write-ahead log once its content is in the database file: as much as it has
/// before the writer makes a checkpoint, so that the file is seldom cut and extended. While a reader holds an old
/// snapshot, the log grows beyond it.
const MAX_IDLE_WAL_BYTES: &str = "67108864";

/// The purpose of a pool.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Readers,
    Checkpoints,
}

/// Opens the pools for writing and for reading.
pub(super) async fn open(options: &StoreOptions) -> Result<Pools, StoreError> {
    let in_memory = options.url.contains(":memory:") || options.url.contains("mode=memory");
    if !in_memory && options.url.contains("mode=rwc") {
        create_folder(&options.url)?;
    }
    // The writer connects first: it creates the file, which a reader cannot.
    let writer = connect(options, Role::Writer).await?;
    let readers = if in_memory {
        // Two connections to one database in memory would block each other with table locks.
        writer.clone()
    } else {
        connect(options, Role::Readers).await?
    };
    // A database in memory has no write-ahead log.
    let checkpoints = match in_memory {
        true => None,
        false => Some(Checkpoints::start(connect(options, Role::Checkpoints).await?)),
    };
    let (writer, readers) = (RenewablePool::fixed(writer), RenewablePool::fixed(readers));
    Ok(Pools {
        committer: writer.clone(),
        locking: writer.clone(),
        locking_connections: 1,
        writer,
        writer_connections: 1,
        readers,
        checkpoints,
    })
}

fn create_folder(url: &str) -> Result<(), StoreError> {
    let file = SqliteConnectOptions::from_str(url)?;
    match file.get_filename().parent() {
        // This blocks, but only once, before the node serves anything. The folder will hold users' documents, so
        // other accounts of the machine get no access to it.
        Some(folder) => DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(StoreError::unavailable),
        None => Ok(()),
    }
}

async fn connect(store: &StoreOptions, role: Role) -> Result<DatabaseConnection, StoreError> {
    let busy_within = store.busy_within;
    let mut options = ConnectOptions::new(&store.url);
    options
        .max_connections(if role == Role::Readers { store.readers.max(1) } else { 1 })
        .acquire_timeout(store.acquire_within)
        // Connections to a file do not go stale, and a database in memory is lost with its last connection.
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |file| {
            let file = file
                .journal_mode(SqliteJournalMode::Wal)
                // With NORMAL, a loss of power could undo the last acknowledged changes.
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .pragma("journal_size_limit", MAX_IDLE_WAL_BYTES)
                .pragma("wal_autocheckpoint", MAX_WAL_PAGES)
                .busy_timeout(busy_within);
            if role == Role::Writer { file } else { file.pragma("query_only", "ON") }
        })
        // On a full disk, SQLite ends the transaction by itself, and the driver's count of open transactions stays one
        // too high. From then on the driver would only commit savepoints, and acknowledged changes would be lost. So a
        // connection that appears to be in a transaction is discarded.
        .map_sqlx_sqlite_before_acquire(|connection, _| {
            Box::pin(async move { Ok(!connection.is_in_transaction()) })
        });
    Ok(Database::connect(options).await?)
}
