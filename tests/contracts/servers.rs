//! Over what a contract is tried.

use std::{future::Future, time::Duration};

use coscribe::redis::{RedisKeys, RedisOptions, Server};

/// Where nodes meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// Nowhere: one node, in memory.
    Memory,
    /// One Redis.
    Redis,
    /// A Redis Cluster.
    RedisCluster,
}

impl Over {
    /// The way to the server, with names of the test's own; none if none was named.
    pub(crate) fn server(self) -> Option<(Server, RedisKeys)> {
        let variable = match self {
            Self::Memory => return None,
            Self::Redis => "TEST_REDIS_URL",
            Self::RedisCluster => "TEST_REDIS_CLUSTER_URL",
        };
        let Some(url) = std::env::var(variable).ok().filter(|url| !url.is_empty()) else {
            eprintln!("skipped: {variable} is not set");
            return None;
        };
        let prefix = format!("contract-{}", uuid::Uuid::new_v4());
        let options = RedisOptions {
            url,
            ca: None,
            answer_within: Duration::from_secs(5),
            prefix: prefix.clone(),
            envelope_version: 3,
        };
        Some((Server::new(&options).unwrap(), RedisKeys::new(&prefix)))
    }
}

/// Waits, but not for ever.
pub(crate) async fn within<F: Future>(what: &str, future: F) -> F::Output {
    let Ok(output) = tokio::time::timeout(Duration::from_secs(10), future).await else {
        panic!("{what} did not happen")
    };
    output
}

/// One test of a contract for each place where it has to hold.
#[macro_export]
macro_rules! contract {
    ($($name:ident),+ $(,)?) => {
        mod in_memory {
            $(#[actix_web::test] async fn $name() { super::$name($crate::servers::Over::Memory).await; })+
        }
        mod over_redis {
            $(#[actix_web::test] async fn $name() { super::$name($crate::servers::Over::Redis).await; })+
        }
        mod over_a_redis_cluster {
            $(#[actix_web::test] async fn $name() { super::$name($crate::servers::Over::RedisCluster).await; })+
        }
    };
}
