//! Faults of the database.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbErr,
    TransactionTrait as _,
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

/// The longest wait for the transactions of others with SQLite, and the pause before it is tried again.
const LOCK_WITHIN: Duration = Duration::from_secs(60);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

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
    begin(&connection, LOCK_WITHIN).await?;
    sleep(duration).await;
    connection.execute_unprepared("ROLLBACK").await?;
    Ok(connection.close().await?)
}

/// Begins a transaction that writes, and tries again while another one does.
async fn begin(connection: &DatabaseConnection, limit: Duration) -> anyhow::Result<()> {
    let end = Instant::now() + limit;
    while let Err(error) = connection.execute_unprepared("BEGIN IMMEDIATE").await {
        ensure!(is_busy(&error), "the database cannot be locked: {error}");
        ensure!(Instant::now() < end, "others have locked the database for {limit:?}: {error}");
        sleep(LOCK_PAUSE).await;
    }
    Ok(())
}

/// Returns whether SQLite refuses because of another transaction.
fn is_busy(error: &DbErr) -> bool {
    let text = error.to_string();
    ["database is locked", "database table is locked", "database schema is locked"]
        .iter()
        .any(|busy| text.contains(busy))
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

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// Opens a database that refuses at once what it would otherwise wait for.
    async fn open(folder: &TempDir) -> DatabaseConnection {
        let url = format!("sqlite://{}?mode=rwc", folder.path().join("data.db").display());
        let connection = connect(url, CONNECT_WITHIN).await.unwrap();
        connection.execute_unprepared("PRAGMA busy_timeout = 0").await.unwrap();
        connection
    }

    #[tokio::test]
    async fn a_database_that_others_lock_is_tried_again() {
        let folder = TempDir::new().unwrap();
        let [first, second] = [open(&folder).await, open(&folder).await];
        begin(&first, Duration::ZERO).await.unwrap();
        let error = begin(&second, Duration::ZERO).await.unwrap_err();
        assert!(error.to_string().contains("others have locked the database"), "{error:#}");
        let (began, unlocked) = tokio::join!(
            begin(&second, Duration::from_secs(60)),
            first.execute_unprepared("ROLLBACK")
        );
        unlocked.unwrap();
        began.unwrap();
    }

    #[tokio::test]
    async fn another_error_is_not_tried_again() {
        let folder = TempDir::new().unwrap();
        let connection = open(&folder).await;
        begin(&connection, Duration::ZERO).await.unwrap();
        // A transaction inside a transaction.
        let error = begin(&connection, Duration::from_secs(60)).await.unwrap_err();
        assert!(error.to_string().contains("cannot be locked"), "{error:#}");
    }
}
