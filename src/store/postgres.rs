//! Connections to PostgreSQL.
//!
//! The same two pools as with SQLite: readers can never take all connections from those who write. TLS goes by the URL
//! (`sslmode`, `sslrootcert`, as in the documentation of libpq).

use std::time::Duration;

use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use super::{StoreError, StoreOptions};

/// A connection that was idle for so long is asked whether it still lives before it is used: it may be older than the
/// database's last restart.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// The pools to write and to read with.
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
        .test_before_acquire_if_idle_for(TRUSTED_FOR)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |server| {
            server.application_name("coscribe").options([
                ("lock_timeout", busy.as_str()),
                ("statement_timeout", answer.as_str()),
                // A node that vanished in the middle of a transaction holds its locks no longer than this.
                ("idle_in_transaction_session_timeout", answer.as_str()),
            ])
        });
    Ok(Database::connect(options).await?)
}
