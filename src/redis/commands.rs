//! One connection for everybody who has a question, opened again when it breaks.

use std::{future::Future, sync::Arc};

use redis::{RedisError, RedisResult};
use thiserror::Error;
use tokio::{sync::Mutex, time::Instant};

use super::{Backoff, Connection, Server, backoff::chance};

/// Redis did not answer.
#[derive(Debug, Error)]
pub enum Away {
    /// It failed a moment ago, and is not asked again so soon.
    #[error("Redis is away")]
    Resting,
    /// It failed now.
    #[error("Redis did not answer: {0}")]
    Failed(#[source] RedisError),
    /// It answered that it does not do that: asking again would not help.
    #[error("Redis refused: {0}")]
    Refused(#[source] RedisError),
}

/// A connection that is there when it is needed. Clones share it.
#[derive(Clone)]
pub struct Commands {
    server: Arc<Server>,
    link: Arc<Mutex<Link>>,
}

#[derive(Default)]
struct Link {
    connection: Option<Connection>,
    /// How often it was opened, so that nobody closes the one after his own.
    opened: u64,
    backoff: Backoff,
    /// Until then nobody tries.
    rests_until: Option<Instant>,
}

impl Commands {
    /// Nothing is open yet.
    #[must_use]
    pub fn new(server: Server) -> Self {
        Self { server: Arc::new(server), link: Arc::default() }
    }

    /// Asks something. A connection that fails, or does not answer in time, is not used again.
    ///
    /// # Errors
    /// [`Away`]. What was asked may have been done all the same.
    pub async fn ask<T, F>(&self, question: impl FnOnce(Connection) -> F) -> Result<T, Away>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let (connection, opened) = self.connection().await?;
        match question(connection).await {
            Ok(answer) => Ok(answer),
            Err(error) if is_broken(&error) => {
                self.drop_connection(opened).await;
                Err(Away::Failed(error))
            }
            Err(error) => Err(Away::Refused(error)),
        }
    }

    async fn connection(&self) -> Result<(Connection, u64), Away> {
        // Whoever comes while it is being opened waits for the same one.
        let mut link = self.link.lock().await;
        if let Some(connection) = &link.connection {
            return Ok((connection.clone(), link.opened));
        }
        if link.rests_until.is_some_and(|until| Instant::now() < until) {
            return Err(Away::Resting);
        }
        match self.server.connect().await {
            Ok(connection) => {
                link.backoff.worked();
                link.opened += 1;
                link.connection = Some(connection.clone());
                Ok((connection, link.opened))
            }
            Err(error) => {
                let pause = link.backoff.failed(chance());
                link.rests_until = Some(Instant::now() + pause);
                Err(Away::Failed(error))
            }
        }
    }

    async fn drop_connection(&self, opened: u64) {
        let mut link = self.link.lock().await;
        if link.opened == opened {
            link.connection = None;
        }
    }
}

/// Whether a connection on which this happened is of no more use: a server that refuses a command still answers.
fn is_broken(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
        || error.is_connection_refusal()
        // It is starting, failing over, or full: it will be itself again.
        || matches!(error.code(), Some("LOADING" | "BUSY" | "MASTERDOWN" | "NOREPLICAS" | "OOM"))
        // After a failover the old master goes on as somebody who may not be written to.
        || error.code() == Some("READONLY")
        || error.is_cluster_error()
}
