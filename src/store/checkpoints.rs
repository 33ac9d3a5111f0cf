//! Checkpoints of SQLite: moving what was committed from the write-ahead log into the database file.
//!
//! By default a commit that leaves 4 MB in the log does this itself before it returns. A change of megabytes would be
//! written twice, and flushed twice, while every other change waits for the only writer. So a connection of its own does it
//! in the background, beside the writer. If it fails or falls behind, the writer does it when the log
//! has [`MAX_WAL_PAGES`](super::sqlite::MAX_WAL_PAGES).

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use tokio::{task::JoinHandle, time::sleep};

use super::renewable_pool::RenewablePool;
use crate::task::supervise;

/// The pause between two checkpoints. In that time, changes must not fill the log.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);

/// The periodic checkpoints of a database file. Dropping it ends them.
pub(super) struct Checkpoints {
    pool: RenewablePool,
    task: JoinHandle<()>,
}

impl Checkpoints {
    /// Begins. `connection` is used for nothing else.
    pub(super) fn start(connection: DatabaseConnection) -> Self {
        let pool = RenewablePool::fixed(connection.clone());
        let task = supervise("checkpoints", move || {
            let connection = connection.clone();
            async move { run(&connection).await }
        });
        Self { pool, task }
    }

    /// Returns the pool of their connection.
    pub(super) fn pool(&self) -> &RenewablePool {
        &self.pool
    }

    /// Ends them.
    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn run(connection: &DatabaseConnection) {
    let mut has_failed = false;
    loop {
        sleep(CHECKPOINT_EVERY).await;
        match checkpoint(connection).await {
            Ok(()) => has_failed = false,
            // Once, not four times a second. The writer makes a checkpoint when the log is full.
            Err(error) if !has_failed => {
                has_failed = true;
                tracing::warn!(%error, "could not move the write-ahead log into the database file");
            }
            Err(error) => tracing::debug!(%error, "still no checkpoint"),
        }
    }
}

/// Moves what can be moved without waiting for readers or the writer, and lets neither wait.
async fn checkpoint(connection: &DatabaseConnection) -> Result<(), DbErr> {
    let passive = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(PASSIVE)");
    connection.query_one_raw(passive).await.map(drop)
}
