//! A Redis Cluster of one test: three primaries with a replica each. A primary can be killed with its last writes and come
//! back later, and a replica can take over in order.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use crate::{RedisServer, expect_eventually, free_port, redis_server::ATTEMPTS};

/// The first and the last hash slot of each primary.
const SLOT_RANGES: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

/// How long after its election a server counts the old votes again, in Redis 7.0: four node timeouts.
const VOTES_COUNT_FOR: Duration = Duration::from_secs(16);

/// A running Redis Cluster. Dropping the value kills its servers.
pub struct RedisCluster {
    shards: Vec<RedisShard>,
}

/// A primary and its replica.
struct RedisShard {
    primary: RedisServer,
    replica: RedisServer,
    slots: (u16, u16),
    primary_elected_at: Option<Instant>,
    replica_elected_at: Option<Instant>,
}

impl RedisShard {
    /// Notes that the replica has become the primary, and the other way round.
    fn swap_roles(&mut self) {
        std::mem::swap(&mut self.primary, &mut self.replica);
        self.replica_elected_at = self.primary_elected_at.replace(Instant::now());
    }
}

impl RedisCluster {
    /// Starts the servers and waits until each replica has the data of its primary.
    pub async fn start() -> Self {
        let shards = SLOT_RANGES.map(async |slots| {
            let (primary, replica) = futures_util::join!(start_server(), start_server());
            RedisShard {
                primary,
                replica,
                slots,
                primary_elected_at: None,
                replica_elected_at: None,
            }
        });
        let cluster = Self { shards: join_all(shards).await };
        for (number, shard) in (1..).zip(&cluster.shards) {
            let (first, last) = (shard.slots.0.to_string(), shard.slots.1.to_string());
            run(&shard.primary, &["cluster", "set-config-epoch", &number.to_string()]).await;
            run(&shard.primary, &["cluster", "addslotsrange", &first, &last]).await;
        }
        let servers: Vec<_> = cluster.servers().collect();
        for (index, server) in servers.iter().enumerate() {
            for other in &servers[index + 1..] {
                let (port, bus) = (other.port().to_string(), bus_port(other).await);
                run(server, &["cluster", "meet", "127.0.0.1", &port, &bus]).await;
            }
        }
        let all_know = format!("cluster_known_nodes:{}", servers.len());
        expect_on_all(&servers, "cluster info", &all_know).await;
        for shard in &cluster.shards {
            let id = shard.primary.cli(&["cluster", "myid"]).await;
            let follows = async || {
                let reply = shard.replica.cli(&["cluster", "replicate", id.trim()]).await;
                reply.trim() == "OK"
            };
            expect_eventually("a server that follows its primary", follows).await;
        }
        let replicas: Vec<_> = cluster.shards.iter().map(|shard| &shard.replica).collect();
        expect_on_all(&replicas, "info replication", "master_link_status:up").await;
        cluster.expect_complete().await;
        cluster
    }

    /// The URL of the cluster, for a node.
    #[must_use]
    pub fn url(&self) -> String {
        let addresses: Vec<_> = self.servers().map(RedisServer::address).collect();
        format!("redis+cluster://{}", addresses.join(","))
    }

    /// The number of shards.
    #[must_use]
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// The index of the shard that has a key.
    pub async fn shard_of(&self, key: &str) -> usize {
        let slot = self.shards[0].replica.cli(&["cluster", "keyslot", key]).await;
        let slot: u16 = slot.trim().parse().unwrap();
        self.shards
            .iter()
            .position(|shard| (shard.slots.0..=shard.slots.1).contains(&slot))
            .unwrap()
    }

    /// Whether the replica of a shard may be elected. One that was elected a moment ago would become a primary without a new
    /// election, which the other primaries do not accept.
    #[must_use]
    pub fn may_elect(&self, shard: usize) -> bool {
        let elected_at = self.shards[shard].replica_elected_at;
        elected_at.is_none_or(|at| at.elapsed() > VOTES_COUNT_FOR)
    }

    /// Stops replication: the replica has everything that was written until now, and gets nothing further.
    pub async fn cut_replication(&self, shard: usize) {
        let RedisShard { primary, replica, .. } = &self.shards[shard];
        let written = replication_offset(primary, "master_repl_offset").await;
        let has_received =
            async || replication_offset(replica, "slave_repl_offset").await >= written;
        expect_eventually("a replica with all data", has_received).await;
        // The primary has no password, so it refuses to replicate to a server that sends one.
        run(replica, &["config", "set", "masterauth", "none"]).await;
        primary.cli(&["client", "kill", "type", "replica"]).await;
        expect_on_all(&[replica], "info replication", "master_link_status:down").await;
    }

    /// Kills a primary, and waits until its replica has taken over.
    pub async fn kill_primary(&mut self, shard: usize) {
        self.begin_kill(shard).await;
        self.expect_takeover(shard).await;
    }

    /// Kills a primary. Its replica takes over some seconds later, if the other primaries live.
    pub async fn begin_kill(&mut self, shard: usize) {
        self.shards[shard].primary.kill().await;
    }

    /// Waits until the replica of a killed primary has taken over.
    pub async fn expect_takeover(&self, shard: usize) {
        let promoted = &self.shards[shard].replica;
        let alive = self.shards.iter().enumerate().flat_map(|(index, other)| {
            let primary = (index != shard).then_some(&other.primary);
            primary.into_iter().chain([&other.replica])
        });
        expect_on_all(&[promoted], "info replication", "role:master").await;
        expect_on_all(&alive.collect::<Vec<_>>(), "cluster info", "cluster_state:ok").await;
    }

    /// Starts a killed primary again, once its replica has taken over, and waits until it has all data as the replica of the
    /// new primary.
    pub async fn bring_back(&mut self, shard: usize) {
        self.expect_takeover(shard).await;
        self.shards[shard].swap_roles();
        let RedisShard { primary, replica, .. } = &mut self.shards[shard];
        // `cut_replication` may have set it.
        run(primary, &["config", "set", "masterauth", ""]).await;
        replica.run().await;
        expect_on_all(&[replica], "info replication", "role:slave").await;
        expect_on_all(&[replica], "info replication", "master_link_status:up").await;
        self.expect_complete().await;
    }

    /// Has the replica take over in order: it first receives everything that its primary wrote. The primary becomes its
    /// replica.
    pub async fn fail_over(&mut self, shard: usize) {
        let RedisShard { primary, replica, .. } = &self.shards[shard];
        run(replica, &["cluster", "failover"]).await;
        expect_on_all(&[replica], "info replication", "role:master").await;
        expect_on_all(&[primary], "info replication", "master_link_status:up").await;
        self.shards[shard].swap_roles();
        self.expect_complete().await;
    }

    /// Waits until every server knows all others as alive, and the replicas as replicas: others are not elected.
    async fn expect_complete(&self) {
        let servers: Vec<_> = self.servers().collect();
        expect_on_all(&servers, "cluster info", "cluster_state:ok").await;
        let knows_replica = |view: &str, replica: &RedisServer| {
            let address = format!("{}@", replica.address());
            view.lines().any(|line| line.contains(&address) && line.contains("slave"))
        };
        let is_complete = |view: &str| {
            !view.contains("fail")
                && self.shards.iter().all(|shard| knows_replica(view, &shard.replica))
        };
        let all_know_all = async || {
            let views = join_all(servers.iter().map(|server| server.cli(&["cluster", "nodes"])));
            views.await.iter().all(|view| is_complete(view))
        };
        expect_eventually("servers that know all others", all_know_all).await;
    }

    fn servers(&self) -> impl Iterator<Item = &RedisServer> {
        self.shards.iter().flat_map(|shard| [&shard.primary, &shard.replica])
    }
}

/// Starts a server. Another process may take one of its ports first; then it ends, and the next one uses other ports.
async fn start_server() -> RedisServer {
    for _ in 0..ATTEMPTS {
        if let Some(server) = try_start_server().await {
            return server;
        }
    }
    panic!("no server of a Redis Cluster has started")
}

async fn try_start_server() -> Option<RedisServer> {
    let bus_port = free_port().to_string();
    RedisServer::try_start_with(&[
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus_port,
        // After this time a silent primary counts as failed. It is longer than a busy machine lets a server wait.
        "--cluster-node-timeout",
        "4000",
        "--cluster-replica-validity-factor",
        "0",
        // Replication begins at once.
        "--repl-diskless-sync-delay",
        "0",
    ])
    .await
}

async fn replication_offset(server: &RedisServer, field: &str) -> u64 {
    let reply = server.cli(&["info", "replication"]).await;
    let mut fields = reply.lines().filter_map(|line| line.trim().split_once(':'));
    fields.find(|(name, _)| *name == field).unwrap().1.parse().unwrap()
}

async fn bus_port(server: &RedisServer) -> String {
    let reply = server.cli(&["config", "get", "cluster-port"]).await;
    reply.lines().last().unwrap().to_owned()
}

/// Runs a command that replies OK.
async fn run(server: &RedisServer, command: &[&str]) {
    let reply = server.cli(command).await;
    assert_eq!(reply.trim(), "OK", "{command:?}");
}

/// Waits until the reply of each server to `command` contains `text`.
async fn expect_on_all(servers: &[&RedisServer], command: &str, text: &str) {
    let words: Vec<_> = command.split(' ').collect();
    let all_reply = async || {
        let replies = join_all(servers.iter().map(|server| server.cli(&words))).await;
        replies.iter().all(|reply| reply.contains(text))
    };
    expect_eventually(&format!("{text} on {} servers", servers.len()), all_reply).await;
}
