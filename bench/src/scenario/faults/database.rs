//! Faults of the database.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, TransactionTrait as _,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

/// The name of our connections, by which the server tells them from those of the nodes.
const OUR_NAME: &str = "coscribe-bench";

/// The most connections that are taken. A server that allows more is not to be tested in this way.
const MAX_TAKEN: usize = 1000;

/// The longest wait for a connection of all that are taken. The library tries again until then when the server has no more.
const TAKE_WITHIN: Duration = Duration::from_secs(1);

/// The longest wait for a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Locks the row of a document, as a transaction of another program would.
///
/// # Errors
/// The database cannot be reached, or does not lock the row.
pub(crate) async fn lock_row(url: &str, document: &str, duration: Duration) -> anyhow::Result<()> {
    // The id becomes part of the statement, so nothing else may.
    let document: Uuid = document.parse().context("the id of the document")?;
    let connection = connect(url.to_owned(), CONNECT_WITHIN).await?;
    let transaction = connection.begin().await?;
    let statement = format!("SELECT id FROM document WHERE id = '{document}' FOR UPDATE");
    let locked = transaction.execute_unprepared(&statement).await?;
    ensure!(locked.rows_affected() == 1, "the document is not in the database");
    sleep(duration).await;
    transaction.rollback().await?;
    Ok(connection.close().await?)
}

/// Locks the SQLite database for writers, as another process would.
///
/// # Errors
/// The database cannot be opened or locked.
pub(crate) async fn lock_file(file: &Path, duration: Duration) -> anyhow::Result<()> {
    let url = format!("sqlite://{}?mode=rw", file.display());
    let connection = connect(url, CONNECT_WITHIN).await?;
    connection.execute_unprepared("BEGIN IMMEDIATE").await?;
    sleep(duration).await;
    connection.execute_unprepared("ROLLBACK").await?;
    Ok(connection.close().await?)
}

/// Takes all connections that the server allows, and breaks those of others.
///
/// # Errors
/// The database cannot be reached, or does not allow that.
pub(crate) async fn take_connections(url: &str, duration: Duration) -> anyhow::Result<()> {
    let separator = if url.contains('?') { '&' } else { '?' };
    let url = format!("{url}{separator}application_name={OUR_NAME}");
    let (control, mut taken) = (connect(url.clone(), CONNECT_WITHIN).await?, vec![]);
    let others = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND application_name <> '{OUR_NAME}'"
    );
    take_all(&url, &mut taken).await?;
    let end = Instant::now() + duration;
    while Instant::now() < end {
        control.execute_unprepared(&others).await?;
        take_all(&url, &mut taken).await?;
    }
    ensure!(!taken.is_empty(), "the database had no connection to take");
    for connection in taken {
        connection.close().await?;
    }
    Ok(control.close().await?)
}

/// Connects until the server refuses a connection.
async fn take_all(url: &str, taken: &mut Vec<DatabaseConnection>) -> anyhow::Result<()> {
    while let Ok(connection) = connect(url.to_owned(), TAKE_WITHIN).await {
        taken.push(connection);
        ensure!(taken.len() <= MAX_TAKEN, "the database allows more than {MAX_TAKEN} connections");
    }
    Ok(())
}

async fn connect(url: String, within: Duration) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).min_connections(1).sqlx_logging(false);
    options.connect_timeout(within).acquire_timeout(within);
    Database::connect(options).await.context("the database cannot be reached")
}
