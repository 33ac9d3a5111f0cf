//! The servers over which a contract is tested.

use std::{sync::Arc, time::Duration};

use coscribe::{
    redis::{RedisKeys, RedisOptions, RelaySigner, Server},
    wire::envelope::{NEWEST_VERSION, RelayKey},
};
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
        let options = options(url, prefix.clone());
        Some((Server::new(&options).unwrap(), RedisKeys::new(&prefix)))
    }
}

/// Returns the signer of one more node. All nodes have the same secret.
pub(crate) fn signer() -> Arc<RelaySigner> {
    let options = options(String::new(), String::new());
    Arc::new(RelaySigner::new(RelayKey::derive(b"the secret of the contracts"), &options))
}

fn options(url: String, prefix: String) -> RedisOptions {
    RedisOptions {
        url,
        ca: None,
        answer_within: Duration::from_secs(5),
        prefix,
        envelope_version: NEWEST_VERSION,
        accept_unsigned: false,
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
