//! The Redis of a plan and how it fails: one server that nodes reach through proxies, or a Redis Cluster whose primaries are
//! killed. Several plans use it one after another.

use std::time::Duration;

use kit::{Network, Proxy, Random, RedisCluster, RedisServer};
use tokio::time::timeout;

use super::sites;

/// How long a primary without a replica may live. It is shorter than a lease: what a replica lacks for longer, the nodes do
/// not write once more.
const UNREPLICATED_FOR: Duration = Duration::from_millis(200);

/// A fault of Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RedisFault {
    /// The network of a site is cut, or a primary is killed.
    Cut,
    /// The network of a site is cut later, or a primary is killed before its replica has received its last writes.
    CutLater,
    /// The network of a site is slow, or a replica takes over in order.
    Slow,
}

/// The Redis of a plan.
pub(super) enum PlanRedis {
    /// The Redis of the test run. Each site has a proxy of its own.
    Proxied(Vec<Proxy>),
    /// A Redis Cluster.
    Sharded(FailingShards),
}

impl PlanRedis {
    pub(super) async fn proxied() -> Self {
        let server = RedisServer::url_of_the_run();
        let server = server.trim_start_matches("redis://");
        let mut proxies = Vec::new();
        for _ in 0..sites::COUNT {
            proxies.push(Proxy::to(server.to_owned()).await);
        }
        Self::Proxied(proxies)
    }

    pub(super) async fn sharded() -> Self {
        let redis = RedisCluster::start().await;
        Self::Sharded(FailingShards { redis, dead: None, kills: 0 })
    }

    /// The URL at which the node of a site reaches it.
    pub(super) fn url(&self, site: usize) -> String {
        match self {
            Self::Proxied(proxies) => format!("redis://{}", proxies[site].address()),
            Self::Sharded(shards) => shards.redis.url(),
        }
    }

    /// The URL without any proxy.
    pub(super) fn direct_url(&self) -> String {
        match self {
            Self::Proxied(_) => RedisServer::url_of_the_run(),
            Self::Sharded(shards) => shards.redis.url(),
        }
    }

    /// Whether a killed primary has not come back.
    pub(super) fn is_dead(&self) -> bool {
        matches!(self, Self::Sharded(FailingShards { dead: Some(_), .. }))
    }

    /// Lets it fail at a site. If a primary is dead, it is repaired instead. `work` goes on while writes are not replicated.
    pub(super) async fn fail(
        &mut self,
        fault: RedisFault,
        site: usize,
        random: &mut Random,
        work: impl Future<Output = ()>,
    ) {
        match self {
            Self::Proxied(proxies) => match fault {
                RedisFault::Cut => proxies[site].set(Network::Cut),
                RedisFault::CutLater => {
                    proxies[site].cut_after(u32::try_from(random.below(20)).unwrap());
                }
                RedisFault::Slow => proxies[site].set(Network::Slow),
            },
            Self::Sharded(shards) => shards.fail(fault, random, work).await,
        }
    }

    /// Repairs the networks. A killed primary stays dead.
    pub(super) fn repair_networks(&self) {
        if let Self::Proxied(proxies) = self {
            proxies.iter().for_each(|proxy| proxy.set(Network::Up));
        }
    }

    /// Repairs everything. Returns how many primaries were killed in this plan.
    pub(super) async fn repair(&mut self) -> usize {
        self.repair_networks();
        match self {
            Self::Proxied(_) => 0,
            Self::Sharded(shards) => {
                shards.bring_back().await;
                std::mem::take(&mut shards.kills)
            }
        }
    }
}

/// A Redis Cluster of which one primary at most is dead: two of three would have no majority to elect its replica.
pub(super) struct FailingShards {
    redis: RedisCluster,
    /// The shard whose killed primary has not come back.
    dead: Option<usize>,
    kills: usize,
}

impl FailingShards {
    async fn fail(
        &mut self,
        fault: RedisFault,
        random: &mut Random,
        work: impl Future<Output = ()>,
    ) {
        let first = random.below(self.redis.shard_count());
        match (self.dead, fault) {
            // The dead one comes back later.
            (Some(dead), RedisFault::Slow) => return self.redis.expect_takeover(dead).await,
            (Some(_), _) => return self.bring_back().await,
            (None, _) => {}
        }
        let count = self.redis.shard_count();
        let mut shards = (first..first + count).map(|number| number % count);
        let Some(shard) = shards.find(|shard| self.redis.may_elect(*shard)) else { return };
        match fault {
            RedisFault::Cut => self.kill(shard).await,
            RedisFault::CutLater => self.kill_before_it_replicates(shard, work).await,
            RedisFault::Slow => self.redis.fail_over(shard).await,
        }
    }

    async fn kill(&mut self, shard: usize) {
        self.redis.begin_kill(shard).await;
        self.dead = Some(shard);
        self.kills += 1;
    }

    async fn kill_before_it_replicates(&mut self, shard: usize, work: impl Future<Output = ()>) {
        self.redis.cut_replication(shard).await;
        // Whether it is done makes no difference: the primary is killed now.
        let _is_done = timeout(UNREPLICATED_FOR, work).await;
        self.kill(shard).await;
    }

    /// Starts the killed primary again after its replica has taken over.
    async fn bring_back(&mut self) {
        if let Some(shard) = self.dead.take() {
            self.redis.bring_back(shard).await;
        }
    }
}
