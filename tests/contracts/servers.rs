//! The servers over which a contract is tested.

use std::time::Duration;

use coscribe::redis::{RedisKeys, RedisOptions, Server};
use kit::{redis_cluster_url, redis_url};

/// What connects the nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// Nothing: one node, in memory.
    Memory,
    /// One Redis.
    Redis,
    /// A Redis Cluster.
    RedisCluster,
}

impl Over {
    /// The server, with keys of this test. `None` if the test run has no such server.
    pub(crate) fn server(self) -> Option<(Server, RedisKeys)> {
        let url = match self {
            Self::Memory => return None,
            Self::Redis => redis_url(),
            Self::RedisCluster => redis_cluster_url(),
        };
        let Some(url) = url else {
            eprintln!("skipped: the test run has no {self:?}");
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

/// Declares one test of a contract for each kind of server.
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
