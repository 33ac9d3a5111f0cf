//! The state that the handle, the keeper and the writer share.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use parking_lot::{Mutex, RwLock};
use tokio::{sync::Notify, time::Instant};

use super::{
    commands::RosterCommands,
    entry_key::EntryKey,
    node_observer::NodeObserver,
    nodes::{NodeCommands, NodeMember},
    unwritten::UnwrittenEntries,
};
use crate::{
    domain::NodeId,
    metrics::Metrics,
    redis::{CommandError, Commands, RedisKeys, RelaySigner, Server},
    roster::{LocalRoster, RosterOptions},
    wire::envelope::Incarnation,
};

/// The most commands of one kind that run concurrently.
pub(super) const MAX_CONCURRENT: usize = 64;

/// The shared roster of one node.
pub(super) struct RosterShared {
    /// The sessions of this node.
    pub(super) local: LocalRoster,
    pub(super) commands: RosterCommands,
    pub(super) nodes: NodeCommands,
    pub(super) unwritten: Mutex<UnwrittenEntries>,
    /// What the keeper has observed of all nodes.
    pub(super) observer: Mutex<NodeObserver>,
    /// Notified when there are unwritten entries.
    pub(super) wake: Notify,
    /// Notified when the keeper must stop.
    pub(super) stop: Notify,
    /// Whether the keeper must stop.
    pub(super) is_stopping: AtomicBool,
    /// This node, in its present incarnation.
    pub(super) member: RwLock<NodeMember>,
    /// This node's recent incarnations, of which entries may remain.
    pub(super) former_members: RwLock<Vec<NodeMember>>,
    /// Whether Redis responded to the keeper's last command.
    pub(super) is_responding: AtomicBool,
    /// Whether this node may write entries: it holds a lease, and Redis responds.
    is_writable: AtomicBool,
    /// The number of slots per user, from the last call of `take_slot`.
    pub(super) slot_limit: AtomicUsize,
    pub(super) metrics: Metrics,
}

impl RosterShared {
    /// Creates the state of a node that has no lease yet.
    pub(super) fn new(
        server: Server,
        keys: RedisKeys,
        node: NodeId,
        signer: Arc<RelaySigner>,
        options: RosterOptions,
        metrics: Metrics,
    ) -> Arc<Self> {
        let commands = Commands::new(server);
        let (incarnation, version) = (uuid::Uuid::new_v4(), signer.own_version());
        Arc::new(Self {
            local: LocalRoster::default(),
            nodes: NodeCommands::new(commands.clone(), keys.clone()),
            commands: RosterCommands::new(commands, keys, node, signer),
            unwritten: Mutex::new(UnwrittenEntries::new(options.lease)),
            observer: Mutex::new(NodeObserver::new(options)),
            wake: Notify::new(),
            stop: Notify::new(),
            is_stopping: AtomicBool::new(false),
            member: RwLock::new(NodeMember { incarnation, version }),
            former_members: RwLock::default(),
            is_responding: AtomicBool::new(true),
            is_writable: AtomicBool::new(false),
            slot_limit: AtomicUsize::new(usize::MAX),
            metrics,
        })
    }

    /// Has the keeper write an entry that was added or removed.
    pub(super) fn mark_changed(&self, key: EntryKey) {
        self.unwritten.lock().mark_changed(key);
        self.wake.notify_one();
    }

    /// Has the keeper remove an entry of an incarnation that is gone.
    pub(super) fn mark_orphaned(&self, key: EntryKey, incarnation: Incarnation) {
        self.unwritten.lock().mark_orphaned(key, incarnation);
        self.wake.notify_one();
    }

    /// Records that an entry was written to Redis, or removed from it.
    pub(super) fn mark_written(&self, key: EntryKey, is_present: bool) {
        self.unwritten.lock().mark_written(key, is_present, Instant::now());
    }

    /// Returns whether an incarnation with an entry in Redis is gone, so that no node removes the entry.
    pub(super) fn is_gone(&self, incarnation: Incarnation) -> bool {
        self.observer.lock().is_gone(incarnation, Instant::now())
    }

    pub(super) fn is_writable(&self) -> bool {
        self.is_writable.load(Ordering::Acquire)
    }

    pub(super) fn set_writable(&self, is_writable: bool) {
        self.is_writable.store(is_writable, Ordering::Release);
        self.metrics.roster_is(is_writable);
    }

    /// Fails while Redis is known to be unavailable, so that no caller waits for it.
    pub(super) fn ensure_responding(&self) -> Result<(), CommandError> {
        if self.is_responding.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(CommandError::BackingOff)
        }
    }

    /// Returns the recent incarnations of this node and its present one.
    pub(super) fn incarnations(&self) -> Vec<Incarnation> {
        let mut incarnations: Vec<_> =
            self.former_members.read().iter().map(|former| former.incarnation).collect();
        incarnations.push(self.member.read().incarnation);
        incarnations
    }

    /// Logs a failed command of the handle. The caller continues without the reply. An outage is logged
    /// by the keeper, once.
    pub(super) fn log_failure(&self, error: &CommandError) {
        let source = error as &dyn std::error::Error;
        match error {
            CommandError::BackingOff | CommandError::Failed(_) => {
                tracing::debug!(error = source, "the shared roster did not respond");
            }
            CommandError::Rejected(_) => {
                tracing::error!(error = source, "Redis rejected a command of the shared roster");
            }
        }
    }
}
