//! Checkpoints of SQLite: moving what was committed from the write-ahead log into the database file.
//!
//! By default a commit that leaves 4 MB in the log does this itself before it returns. A change of megabytes would be
//! written twice, and flushed twice, while every other change waits for the only writer. So a connection of its own does it
//! in the background, beside the writer. If it fails or falls behind, the writer does it when the log
//! has [`MAX_WAL_PAGES`](super::sqlite::MAX_WAL_PAGES).

use std::time::Duration;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::renewable_pool::RenewablePool;
use crate::task::supervise;

/// The pause between two checkpoints. In that time, changes must not fill the log.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);

/// How long one that is being made may take when they are ended.
const END_WITHIN: Duration = Duration::from_secs(5);

/// The periodic checkpoints of a database file. Dropping it ends them.
pub(super) struct Checkpoints {
    pool: RenewablePool,
    task: JoinHandle<()>,
    /// Set when they are to end. The task has the receiver.
    is_ending: watch::Sender<bool>,
}

impl Checkpoints {
    /// Begins. `connection` is used for nothing else.
    pub(super) fn start(connection: DatabaseConnection) -> Self {
        let pool = RenewablePool::fixed(connection.clone());
        let (is_ending, receiver) = watch::channel(false);
        let task = supervise("checkpoints", move || {
            let (connection, is_ending) = (connection.clone(), receiver.clone());
            async move { run(&connection, is_ending).await }
        });
        Self { pool, task, is_ending }
    }

    /// Returns the pool of their connection.
    pub(super) fn pool(&self) -> &RenewablePool {
        &self.pool
    }

    /// Ends them. Waits for one that is being made: an interrupted one would keep its connection, and the write-ahead log, beyond
    /// the end of the last writer.
    pub(super) async fn end(&self) {
        self.is_ending.send_replace(true);
        if timeout(END_WITHIN, self.is_ending.closed()).await.is_err() {
            tracing::warn!("timed out waiting for a checkpoint of the database");
            self.task.abort();
        }
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(connection: &DatabaseConnection, mut is_ending: watch::Receiver<bool>) {
    let mut has_failed = false;
    loop {
        tokio::select! {
            () = sleep(CHECKPOINT_EVERY) => {}
            // Also if the sender is gone.
            _ending = is_ending.wait_for(|is_ending| *is_ending) => return,
        }
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
