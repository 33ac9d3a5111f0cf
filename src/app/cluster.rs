//! What a node has to do with others: the relay and the roster, local or over Redis.

use std::sync::{Arc, atomic::AtomicU8};

use anyhow::Context as _;
use tokio::task::JoinHandle;

use crate::{
    bridge::{Bridge, EventSink, LocalBridge, RedisBridge},
    domain::NodeId,
    metrics::Metrics,
    redis::{RedisKeys, Server},
    room::Rooms,
    roster::{Keeper, LocalRoster, RedisRoster, Roster},
    session::Sessions,
    settings::Settings,
    wire::envelope::OLDEST_VERSION,
};

/// Relay and roster of this node.
pub(super) struct Cluster {
    pub(super) bridge: Arc<dyn Bridge>,
    pub(super) roster: Arc<dyn Roster>,
    shared: Option<SharedClients>,
}

/// What is there only where nodes share a Redis.
struct SharedClients {
    bridge: Arc<RedisBridge>,
    roster: Arc<RedisRoster>,
    ear: EventSink,
    /// The version of envelopes that every node reads.
    version: Arc<AtomicU8>,
    keeper: Option<Keeper>,
    keeping: Option<JoinHandle<()>>,
}

impl Cluster {
    /// As the settings have it. Redis need not be there yet.
    ///
    /// # Errors
    /// `redis.url` or the file that `redis.ca` names cannot be read.
    pub(super) fn new(settings: &Settings, metrics: &Metrics) -> anyhow::Result<Self> {
        let options = &settings.redis;
        if !options.is_set() {
            let (bridge, roster) = (Arc::new(LocalBridge), Arc::new(LocalRoster::default()));
            return Ok(Self { bridge, roster, shared: None });
        }
        let server = Server::new(options).context("Redis cannot be used")?;
        let (keys, node) = (RedisKeys::new(&options.prefix), NodeId::new());
        let (ear, version) = (EventSink::default(), Arc::new(AtomicU8::new(OLDEST_VERSION)));
        tracing::info!(node.id = %node, redis.address = %server.address(), "one of several nodes");
        let bridge = Arc::new(RedisBridge::start(
            server.clone(),
            keys.clone(),
            node,
            ear.clone(),
            (Arc::clone(&version), options.envelope_version),
            metrics.clone(),
        ));
        let (roster, keeper) = RedisRoster::new(
            server,
            keys,
            node,
            options.envelope_version,
            settings.roster,
            metrics.clone(),
        );
        let roster = Arc::new(roster);
        let (keeper, keeping) = (Some(keeper), None);
        let shared = SharedClients {
            bridge: Arc::clone(&bridge),
            roster: Arc::clone(&roster),
            ear,
            version,
            keeper,
            keeping,
        };
        Ok(Self { bridge, roster, shared: Some(shared) })
    }

    /// From now on rooms hear of the other nodes, and what sessions do is entered for them. Where Redis answers, it does by
    /// the time that this returns.
    pub(super) async fn run(&mut self, rooms: &Rooms, sessions: &Sessions) {
        let Some(shared) = &mut self.shared else { return };
        shared.ear.open(Arc::new(rooms.clone()));
        if let Some(mut keeper) = shared.keeper.take() {
            let version = Arc::clone(&shared.version);
            keeper.begin(&version).await;
            let keeping = keeper.run(Arc::new(sessions.clone()), version);
            shared.keeping = Some(actix_rt::spawn(keeping));
        }
        shared.bridge.until_well().await;
    }

    /// Tells the others that everybody here has gone, and that this node has.
    pub(super) async fn stop(&mut self) {
        let Some(shared) = &mut self.shared else { return };
        shared.roster.stop();
        if let Some(keeping) = shared.keeping.take()
            && let Err(error) = keeping.await
        {
            tracing::error!(%error, "the roster's keeper ended too early");
        }
        shared.ear.close();
        shared.bridge.stop().await;
    }
}
