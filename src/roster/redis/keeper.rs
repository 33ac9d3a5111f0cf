//! The keeper of a node's part of the shared roster.
//!
//! It renews the node's lease, has the [`writer`] write changed entries, removes the entries of dead
//! nodes, and keeps the envelope version that all nodes read. It observes the other nodes for the
//! [`NodeObserver`](super::node_observer::NodeObserver), which judges them.
//!
//! Invariant: it does one thing at a time, so two commands for one entry never run concurrently.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep_until};

use super::{
    commands::WriteKind,
    lease::Lease,
    nodes::{NodeMember, NodeRecord},
    orphans,
    shared::{MAX_CONCURRENT, RosterShared},
    version_agreement::VersionAgreement,
    writer::{self, MAX_ROUND},
};
use crate::{
    redis::CommandError,
    roster::{RosterOptions, SessionEvictor},
};

/// The interval of the keeper's ticks, unless leases are renewed more often.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// How long entries of a former incarnation may still appear: a command may have been on its way.
const FORMER_ENTRIES_FOR: Duration = Duration::from_secs(10);

/// Keeps a node's part of the shared roster. It works while [`Keeper::run`] is polled.
pub struct Keeper {
    shared: Arc<RosterShared>,
    lease: Lease,
    tick_every: Duration,
    /// Whether this node holds a lease in its present incarnation.
    has_lease: bool,
    /// Whether no command has failed since the lease was last renewed.
    is_up: bool,
    version: VersionAgreement,
    /// When the present incarnation began. `None` for the first one.
    incarnated_at: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<RosterShared>, options: RosterOptions) -> Self {
        let lease = Lease::new(options, Instant::now());
        let own_version = shared.member.read().version;
        Self {
            shared,
            version: VersionAgreement::new(own_version, lease.length()),
            lease,
            tick_every: TICK_EVERY.min(options.renew_every),
            has_lease: false,
            is_up: true,
            incarnated_at: None,
        }
    }

    /// Creates the node's lease before sessions are admitted, so that slots count in the whole cluster
    /// from the start. If Redis is unavailable, [`run`] creates the lease later.
    ///
    /// [`run`]: Keeper::run
    pub async fn begin(&mut self, version: &AtomicU8) {
        self.tick(version).await;
    }

    /// Runs until the roster is stopped. Sessions that exceed their user's limit are evicted. `version`
    /// is set to the newest envelope version that every node of the cluster reads.
    pub async fn run(&mut self, evictor: &dyn SessionEvictor, version: &AtomicU8) {
        let shared = Arc::clone(&self.shared);
        if shared.is_stopping.load(Ordering::Acquire) {
            // It panicked while it was leaving. The lease expires, and another node removes the rest.
            return;
        }
        let mut next_tick = Instant::now();
        loop {
            // The lease comes first, however many entries are unwritten.
            if Instant::now() >= next_tick || (self.has_lease && self.lease.is_due(Instant::now()))
            {
                self.tick(version).await;
                next_tick = Instant::now() + self.tick_every;
            }
            let wrote = self.write_changed(evictor).await;
            tokio::select! {
                biased;
                () = shared.stop.notified() => break,
                () = std::future::ready(()), if wrote => {}
                () = shared.wake.notified(), if shared.is_writable() => {}
                () = sleep_until(next_tick) => {}
            }
        }
        self.leave(evictor).await;
    }

    /// Writes what is unwritten, then removes this node and its remaining entries. If that fails, the
    /// lease expires and another node removes them.
    async fn leave(&mut self, evictor: &dyn SessionEvictor) {
        while self.write_changed(evictor).await {}
        let member = *self.shared.member.read();
        if let Err(error) = self.remove_entries_of(member, None).await {
            self.handle_failure(&error);
        }
        self.shared.set_writable(false);
    }

    async fn tick(&mut self, version: &AtomicU8) {
        let done = async {
            self.renew_lease_if_due().await?;
            if self.has_lease {
                self.check_nodes(version).await?;
                orphans::remove_orphans(&self.shared).await?;
                writer::write_cursors(&self.shared).await?;
            }
            Ok(())
        };
        match done.await {
            Ok(()) => {}
            Err(error) => self.handle_failure(&error),
        }
    }

    async fn renew_lease_if_due(&mut self) -> Result<(), CommandError> {
        let now = Instant::now();
        if !self.lease.is_due(now) && self.has_lease {
            return Ok(());
        }
        let member = *self.shared.member.read();
        let renewed = self.shared.nodes.renew(member, self.lease.length(), !self.has_lease).await?;
        self.shared.is_responding.store(true, Ordering::Release);
        if !renewed {
            self.begin_incarnation(member);
            return Ok(());
        }
        self.lease.renewed(Instant::now());
        self.has_lease = true;
        if !std::mem::replace(&mut self.is_up, true) || !self.shared.is_writable() {
            // A replica that did not receive the last writes may have taken over.
            writer::mark_all_changed(&self.shared, member).await?;
            self.shared.set_writable(true);
        }
        Ok(())
    }

    /// Begins a new incarnation, because the other nodes count this one as dead or Redis lost its lease.
    ///
    /// All sessions are written again at the next tick, not now: messages that wait on sockets are read
    /// first, so sessions that ended during a suspension are not written again.
    fn begin_incarnation(&mut self, before: NodeMember) {
        tracing::warn!(
            incarnation = %before.incarnation,
            "this node lost its lease; it writes its sessions to the roster again"
        );
        self.shared.metrics.incarnated();
        self.shared.set_writable(false);
        self.has_lease = false;
        self.incarnated_at = Some(Instant::now());
        let incarnation = uuid::Uuid::new_v4();
        self.shared.former_members.write().push(before);
        *self.shared.member.write() = NodeMember { incarnation, ..before };
        // All entries are written in the new incarnation. Those of the former one are removed by its index.
        self.shared.unwritten.lock().forget_written();
    }

    /// Observes all nodes, updates the envelope version, and removes the entries of dead nodes.
    async fn check_nodes(&mut self, version: &AtomicU8) -> Result<(), CommandError> {
        let records = self.shared.nodes.list().await?;
        let now = Instant::now();
        self.shared.observer.lock().observe(&records, now);
        let own = *self.shared.member.read();
        let (alive, dead): (Vec<_>, Vec<_>) = records.into_iter().partition(NodeRecord::is_alive);
        self.shared.metrics.nodes_alive(alive.len());
        let readable = alive.iter().map(|node| node.member.version);
        let written = self.version.update(version.load(Ordering::Relaxed), readable, now);
        version.store(written, Ordering::Relaxed);
        if dead.iter().any(|node| node.member == own) {
            // Makes the lease due. Its renewal is refused, which begins a new incarnation.
            self.lease.failed(now);
        }
        let expired = self.shared.observer.lock().expired(now);
        for record in expired.into_iter().filter(|record| record.member != own) {
            self.sweep(record).await?;
        }
        self.remove_former_entries().await
    }

    /// Removes the entries of a node that has died, or whose sweep has stopped, unless another node does.
    async fn sweep(&mut self, record: NodeRecord) -> Result<(), CommandError> {
        let Some(claim) = self.shared.nodes.claim(record).await? else { return Ok(()) };
        if record.is_alive() {
            let incarnation = record.member.incarnation;
            tracing::warn!(%incarnation, "a node has not renewed its lease; it counts as dead");
        }
        self.remove_entries_of(record.member, Some(claim)).await
    }

    /// Removes the entries of former incarnations, once the remaining sessions have been written in the
    /// present one.
    async fn remove_former_entries(&mut self) -> Result<(), CommandError> {
        let former = self.shared.former_members.read().clone();
        if former.is_empty() || self.shared.unwritten.lock().has_changed() {
            return Ok(());
        }
        for member in former {
            self.remove_entries_of(member, None).await?;
        }
        if self.incarnated_at.is_none_or(|at| at.elapsed() >= FORMER_ENTRIES_FOR) {
            self.shared.former_members.write().clear();
        }
        Ok(())
    }

    /// Removes all entries of a node that has ended, then the node. The scripts publish the departures. A
    /// claimed sweep ends when another node claims it: this one took too long.
    async fn remove_entries_of(
        &mut self,
        ended: NodeMember,
        mut claim: Option<NodeRecord>,
    ) -> Result<(), CommandError> {
        let keys = self.shared.commands.list_entries(ended.incarnation).await?;
        let mut count = 0;
        for round in keys.chunks(MAX_ROUND) {
            let shared = &self.shared;
            let removals = round.iter().map(|key| {
                writer::remove_entry(shared, *key, ended.incarnation, WriteKind::Change)
            });
            let removed: Vec<_> =
                stream::iter(removals).buffer_unordered(MAX_CONCURRENT).collect().await;
            for removed in removed {
                match removed {
                    Ok(was_removed) => count += u64::from(was_removed),
                    Err(CommandError::Rejected(error)) => {
                        tracing::error!(%error, "Redis rejected the removal of a dead node's entry");
                    }
                    Err(error) => return Err(error),
                }
            }
            if let Some(claimed) = claim {
                match self.shared.nodes.claim(claimed).await? {
                    Some(claimed) => claim = Some(claimed),
                    None => return Ok(()),
                }
            }
            // This node must keep its own lease, however many entries it removes.
            if self.has_lease && self.lease.is_due(Instant::now()) {
                self.renew_lease_if_due().await?;
            }
        }
        if count > 0 {
            self.shared.metrics.swept(count);
            tracing::info!(
                incarnation = %ended.incarnation,
                entries = count,
                "removed the roster entries of an ended node"
            );
        }
        self.shared.nodes.remove(ended).await
    }

    /// Writes the next round of changed entries, or else of entries to confirm. Returns false if there
    /// are none, or if it failed.
    async fn write_changed(&mut self, evictor: &dyn SessionEvictor) -> bool {
        if !self.shared.is_writable() {
            return false;
        }
        let written = async {
            Ok(writer::write_changed(&self.shared, evictor).await?
                || writer::confirm_written(&self.shared, evictor).await?)
        };
        match written.await {
            Ok(wrote) => wrote,
            Err(error) => {
                self.handle_failure(&error);
                false
            }
        }
    }

    /// Logs a failed command. After an outage the lease is renewed and all entries are written again.
    fn handle_failure(&mut self, error: &CommandError) {
        let source: &dyn std::error::Error = error;
        if matches!(error, CommandError::Rejected(_)) {
            return tracing::error!(
                error = source,
                "Redis rejected a command of the roster's keeper"
            );
        }
        if std::mem::replace(&mut self.is_up, false) {
            tracing::warn!(error = source, "the shared roster is unavailable; retrying");
        }
        self.lease.failed(Instant::now());
        self.shared.observer.lock().interrupt();
        self.shared.is_responding.store(false, Ordering::Release);
        self.shared.set_writable(false);
    }
}

/// Marks the roster as unavailable, whatever ended the keeper.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.is_responding.store(false, Ordering::Release);
        self.shared.set_writable(false);
    }
}
