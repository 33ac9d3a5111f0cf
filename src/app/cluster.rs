//! Builds, runs and stops the relay and the roster of this node.
//!
//! Without `redis.url` both are local. Otherwise both use Redis, which need not be available yet.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::{sync::Mutex, task::JoinHandle};

use crate::{
    bridge::{Bridge, EventSink, LocalBridge, RedisBridge},
    domain::NodeId,
    metrics::Metrics,
    redis::{RedisKeys, RelaySigner, Server},
    room::Rooms,
    roster::{Keeper, LocalRoster, RedisRoster, Roster},
    session::Sessions,
    settings::Settings,
    task::supervise_local,
    wire::envelope::RelayKey,
};

/// The relay and the roster of this node.
pub(super) struct Cluster {
    pub(super) bridge: Arc<dyn Bridge>,
    pub(super) roster: Arc<dyn Roster>,
    redis: Option<RedisParts>,
}

/// The parts that exist only with Redis.
struct RedisParts {
    bridge: Arc<RedisBridge>,
    roster: Arc<RedisRoster>,
    sink: EventSink,
    signer: Arc<RelaySigner>,
    /// Present until [`Cluster::run`] starts its task.
    keeper: Option<Keeper>,
    keeper_task: Option<JoinHandle<()>>,
}

impl Cluster {
    /// Creates relay and roster from the settings. The nodes sign their envelopes with `key`. Does not wait for Redis.
    ///
    /// # Errors
    /// Fails if `redis.url` is not an address of Redis, or if the file of `redis.ca` cannot be read.
    pub(super) fn new(
        settings: &Settings,
        key: &RelayKey,
        metrics: &Metrics,
    ) -> anyhow::Result<Self> {
        let options = &settings.redis;
        if !options.is_set() {
            let (bridge, roster) = (Arc::new(LocalBridge), Arc::new(LocalRoster::default()));
            return Ok(Self { bridge, roster, redis: None });
        }
        let server = Server::new(options).context("the Redis settings are unusable")?;
        let (keys, node) = (RedisKeys::new(&options.prefix), NodeId::new());
        let signer = Arc::new(RelaySigner::new(key.clone(), options));
        let sink = EventSink::default();
        tracing::info!(node.id = %node, redis.address = %server.address(), "sharing Redis with other nodes");
        let bridge = Arc::new(RedisBridge::start(
            server.clone(),
            keys.clone(),
            node,
            sink.clone(),
            Arc::clone(&signer),
            metrics.clone(),
        ));
        let (roster, keeper) = RedisRoster::new(
            server,
            keys,
            node,
            Arc::clone(&signer),
            settings.roster,
            metrics.clone(),
        );
        let roster = Arc::new(roster);
        let redis = RedisParts {
            bridge: Arc::clone(&bridge),
            roster: Arc::clone(&roster),
            sink,
            signer,
            keeper: Some(keeper),
            keeper_task: None,
        };
        Ok(Self { bridge, roster, redis: Some(redis) })
    }

    /// Delivers the events of other nodes to the rooms, and starts the roster's keeper. Waits until the
    /// relay is healthy, for at most `redis.answer_within`.
    pub(super) async fn run(&mut self, rooms: &Rooms, sessions: &Sessions) {
        let Some(redis) = &mut self.redis else { return };
        redis.sink.open(Arc::new(rooms.clone()), Arc::new(sessions.clone()));
        if let Some(mut keeper) = redis.keeper.take() {
            let version = Arc::clone(redis.signer.common_version());
            keeper.begin(&version).await;
            let (keeper, sessions) = (Arc::new(Mutex::new(keeper)), sessions.clone());
            redis.keeper_task = Some(supervise_local("roster keeper", move || {
                let (keeper, version) = (Arc::clone(&keeper), Arc::clone(&version));
                let sessions = sessions.clone();
                async move { keeper.lock().await.run(&sessions, &version).await }
            }));
        }
        redis.bridge.wait_until_healthy().await;
    }

    /// Removes this node and its sessions from the roster, publishes all queued envelopes, and stops.
    pub(super) async fn stop(&mut self) {
        let Some(redis) = &mut self.redis else { return };
        redis.roster.stop();
        if let Some(keeper_task) = redis.keeper_task.take()
            && let Err(error) = keeper_task.await
        {
            tracing::error!(%error, "the roster's keeper panicked");
        }
        redis.sink.close();
        redis.bridge.stop().await;
    }
}
