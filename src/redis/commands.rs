//! A shared connection for commands, opened again after a failure.

use std::{future::Future, sync::Arc};

use redis::{RedisError, RedisResult};
use thiserror::Error;
use tokio::{sync::Mutex, time::Instant};

use super::{Backoff, Connection, Server, backoff::random_fraction};

/// Why a command failed.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The last attempt to connect failed a moment ago, so the command was not sent.
    #[error("Redis is unavailable; the next attempt to connect follows shortly")]
    BackingOff,
    /// Redis could not be reached or did not respond in time. The command may have been executed.
    #[error("Redis did not respond: {0}")]
    Failed(#[source] RedisError),
    /// Redis rejected the command. Sending it again would not help.
    #[error("Redis rejected a command: {0}")]
    Rejected(#[source] RedisError),
}

/// A connection that is opened when a command needs it. Clones share it.
#[derive(Clone)]
pub struct Commands {
    server: Arc<Server>,
    link: Arc<Mutex<Link>>,
}

#[derive(Default)]
struct Link {
    connection: Option<Connection>,
    /// Counts opened connections, so that a late failure does not close a newer connection.
    generation: u64,
    backoff: Backoff,
    /// Until then no attempt to connect is made.
    retry_at: Option<Instant>,
}

impl Commands {
    /// Creates a handle. The first command opens the connection.
    #[must_use]
    pub fn new(server: Server) -> Self {
        Self { server: Arc::new(server), link: Arc::default() }
    }

    /// Runs a command, or several, on the connection. A connection that fails or does not respond in
    /// time is dropped.
    ///
    /// # Errors
    /// [`CommandError`]. After [`CommandError::Failed`] the command may have been executed.
    pub async fn run<T, F>(&self, command: impl FnOnce(Connection) -> F) -> Result<T, CommandError>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (connection, generation) = self.connection().await?;
        match command(connection).await {
            Ok(reply) => Ok(reply),
            Err(error) if is_connection_error(&error) => {
                self.drop_connection(generation).await;
                Err(CommandError::Failed(error))
            }
            Err(error) => Err(CommandError::Rejected(error)),
        }
    }

    async fn connection(&self) -> Result<(Connection, u64), CommandError> {
        // Held while connecting: other callers wait for the same connection.
        let mut link = self.link.lock().await;
        if let Some(connection) = &link.connection {
            return Ok((connection.clone(), link.generation));
        }
        if link.retry_at.is_some_and(|at| Instant::now() < at) {
            return Err(CommandError::BackingOff);
        }
        match self.server.connect().await {
            Ok(connection) => {
                link.backoff.reset();
                link.generation += 1;
                link.connection = Some(connection.clone());
                Ok((connection, link.generation))
            }
            Err(error) => {
                let delay = link.backoff.next_delay(random_fraction());
                link.retry_at = Some(Instant::now() + delay);
                Err(CommandError::Failed(error))
            }
        }
    }

    async fn drop_connection(&self, generation: u64) {
        let mut link = self.link.lock().await;
        if link.generation == generation {
            link.connection = None;
        }
    }
}

/// Returns whether an error makes the connection useless. A server that rejects a command still
/// responds, so its connection is kept.
fn is_connection_error(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || error.is_connection_refusal()
        // Temporary states: the server is starting, busy, failing over, or out of memory.
        || matches!(error.code(), Some("LOADING" | "BUSY" | "MASTERDOWN" | "NOREPLICAS" | "OOM"))
        // After a failover the old master is a replica, and a new connection finds the new master.
        || error.code() == Some("READONLY")
        || error.is_cluster_error()
}
