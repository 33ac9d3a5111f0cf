//! Connections to PostgreSQL.
//!
//! Reads and writes have separate pools, so that reads cannot use up the connections for writing. Parameters of the URL
//! configure TLS: `sslmode` and `sslrootcert`, as in the documentation of libpq.

use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use super::{StoreError, StoreOptions};

/// A connection that was idle for longer than this is tested before it is used: the database may have restarted since.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Opens the pools for writing and for reading.
pub(super) async fn open(
    options: &StoreOptions,
) -> Result<(DatabaseConnection, DatabaseConnection), StoreError> {
    let writer = connect(options, options.writers).await?;
    let readers = connect(options, options.readers).await?;
    Ok((writer, readers))
}

async fn connect(store: &StoreOptions, connections: u32) -> Result<DatabaseConnection, StoreError> {
    let millis = |time: Duration| time.as_millis().to_string();
    let (busy, answer) = (millis(store.busy_within), millis(store.answer_within));
    let mut options = ConnectOptions::new(&store.url);
    options
        .max_connections(connections.max(1))
        .acquire_timeout(store.acquire_within)
        .connect_timeout(store.acquire_within)
        .test_before_acquire_if_idle_for(TEST_AFTER_IDLE)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |server| {
            server.application_name("coscribe").options([
                ("lock_timeout", busy.as_str()),
                ("statement_timeout", answer.as_str()),
                // The locks of a node that disappears during a transaction are released after this time.
                ("idle_in_transaction_session_timeout", answer.as_str()),
            ])
        });
    Ok(Database::connect(options).await?)
}
