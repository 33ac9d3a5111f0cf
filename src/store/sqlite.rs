//! Connections to a file of SQLite.
//!
//! The writer is a pool of one: SQLite has one writer at a time anyway, and here callers wait in
//! order instead of finding the file locked. Readers are forbidden to write by the database itself.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, str::FromStr};

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection,
    sqlx::{
        Connection,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use super::{StoreError, StoreOptions};

/// What the connections of a pool are for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    Readers,
}

/// The pools to write and to read with.
pub(super) async fn open(
    options: &StoreOptions,
) -> Result<(DatabaseConnection, DatabaseConnection), StoreError> {
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
    Ok((writer, readers))
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
