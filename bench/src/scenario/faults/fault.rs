//! What fails.

use std::time::Duration;

use tokio::time::sleep;

use super::database;
use crate::server::Deployment;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A node is killed, and started again.
    KillNode,
    /// Redis is killed, and started again without its data.
    StopRedis,
    /// A transaction locks the row of a document, or with SQLite a process locks the database.
    LockRow,
    /// All connections that the database server allows are taken, and those of the nodes broken.
    TakeConnections,
}

impl Fault {
    /// All faults, in the order in which they occur.
    pub(crate) const ALL: [Self; 4] =
        [Self::KillNode, Self::StopRedis, Self::LockRow, Self::TakeConnections];

    /// Returns its name in the report.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::KillNode => "kill a node",
            Self::StopRedis => "stop Redis",
            Self::LockRow => "lock a row",
            Self::TakeConnections => "no connections",
        }
    }

    /// Returns why it cannot occur here, if it cannot.
    pub(crate) fn obstacle(self, deployment: &Deployment) -> Option<&'static str> {
        match self {
            Self::StopRedis if deployment.redis.is_none() => Some(
                "Redis was not stopped: install redis-server, and do not pass --redis with a URL.",
            ),
            Self::TakeConnections if deployment.database.is_none() => Some(
                "Connections were not taken: SQLite has none. Install PostgreSQL, or pass --database.",
            ),
            _ => None,
        }
    }

    /// Lets it occur for this long.
    ///
    /// # Errors
    /// It could not be brought about, or not be undone.
    pub(crate) async fn occur(
        self,
        deployment: &mut Deployment,
        document: &str,
        duration: Duration,
    ) -> anyhow::Result<()> {
        match self {
            Self::KillNode => {
                if let Some(node) = deployment.nodes.first_mut() {
                    node.kill().await?;
                    sleep(duration).await;
                    node.start_again().await?;
                }
            }
            Self::StopRedis => {
                if let Some(redis) = &mut deployment.redis {
                    redis.kill().await?;
                    sleep(duration).await;
                    redis.start_again().await?;
                }
            }
            Self::LockRow => match (&deployment.database, deployment.sqlite_file()) {
                (Some(url), _) => database::lock_row(url, document, duration).await?,
                (None, Some(file)) => database::lock_file(&file, duration).await?,
                (None, None) => {}
            },
            Self::TakeConnections => {
                if let Some(url) = &deployment.database {
                    database::take_connections(url, duration).await?;
                }
            }
        }
        Ok(())
    }
}
