//! The keeper: it writes what is pending, keeps the node's lease up, and removes what the dead left.
//!
//! One round after the other, so that two affairs of one session are never under way at the same time.

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
    affair::Affair,
    lease::Lease,
    ledger::Member,
    roster::{AT_ONCE, Shared},
};
use crate::{
    redis::Away,
    roster::{Evict, RosterOptions},
    wire::envelope::{Entry, OLDEST_VERSION},
};

/// How often it looks after the lease and the dead, and writes where cursors are; where leases are renewed more often, as
/// often as that.
const TURN: Duration = Duration::from_secs(1);

/// So many affairs are written in one round.
const ROUND: usize = 512;

/// Keeps a node's part of the shared roster. It works for as long as [`Keeper::run`] is polled.
pub struct Keeper {
    shared: Arc<Shared>,
    lease: Lease,
    every: Duration,
    /// Whether this node holds a lease as what it is now.
    has_lease: bool,
    /// Whether Redis answered last time.
    is_up: bool,
}

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, options: RosterOptions) -> Self {
        let lease = Lease::new(options, Instant::now());
        Self { shared, lease, every: TURN.min(options.renew_every), has_lease: false, is_up: true }
    }

    /// Gives the node its lease, so that nothing has to be counted on this node alone. Redis may be away: then [`run`]
    /// does it when it is back.
    ///
    /// [`run`]: Keeper::run
    pub async fn begin(&mut self, version: &AtomicU8) {
        self.turn(version).await;
    }

    /// Works until the roster is stopped. Sessions that turn out to be one too many are sent away by `evict`; `version` is
    /// kept at what every node of the cluster reads.
    pub async fn run(mut self, evict: Arc<dyn Evict>, version: Arc<AtomicU8>) {
        let shared = Arc::clone(&self.shared);
        let mut next_turn = Instant::now();
        loop {
            if Instant::now() >= next_turn {
                self.turn(&version).await;
                next_turn = Instant::now() + self.every;
            }
            self.write(&*evict).await;
            tokio::select! {
                () = shared.wake.notified(), if shared.is_open() => {}
                () = sleep_until(next_turn) => {}
                () = shared.stop.notified() => break,
            }
        }
        self.write(&*evict).await;
        let member = *shared.member.read();
        if let Err(away) = shared.ledger.forget(member).await {
            self.note_away(&away);
        }
        shared.set_open(false);
    }

    /// What is done every second.
    async fn turn(&mut self, version: &AtomicU8) {
        if let Err(away) = self.look_after_lease().await {
            return self.note_away(&away);
        }
        if !self.has_lease {
            return;
        }
        if let Err(away) = self.look_after_others(version).await {
            return self.note_away(&away);
        }
        if let Err(away) = self.write_cursors().await {
            self.note_away(&away);
        }
    }

    async fn look_after_lease(&mut self) -> Result<(), Away> {
        let now = Instant::now();
        if !self.lease.is_due(now) && self.has_lease {
            return Ok(());
        }
        let member = *self.shared.member.read();
        let renewed =
            self.shared.ledger.renew(member, self.lease.length(), !self.has_lease).await?;
        let now = Instant::now();
        self.lease.answered(now);
        if renewed {
            self.lease.renewed(now);
            self.is_up = true;
            self.has_lease = true;
            self.shared.set_open(true);
        } else {
            self.incarnate(member);
        }
        Ok(())
    }

    /// The others count this node as dead, or Redis forgot it: it enters everything as somebody new, one turn from now. By
    /// then what waits on sockets has been read: who hung up meanwhile does not come back to life.
    fn incarnate(&mut self, before: Member) {
        tracing::warn!(incarnation = %before.incarnation, "the lease was lost; sessions are entered again");
        self.shared.metrics.incarnated();
        self.shared.set_open(false);
        self.has_lease = false;
        let incarnation = uuid::Uuid::new_v4();
        *self.shared.member.write() = Member { incarnation, ..before };
        let mut pending = self.shared.pending.lock();
        for (user, session) in self.shared.local.slots() {
            pending.changed(Affair::Slot(user, session));
        }
        for (document, session) in self.shared.local.present() {
            pending.changed(Affair::Presence(document, session));
        }
    }

    async fn look_after_others(&mut self, version: &AtomicU8) -> Result<(), Away> {
        let may_declare = self.lease.may_declare(Instant::now());
        let nodes = self.shared.ledger.claim(may_declare).await?;
        self.lease.answered(Instant::now());
        let own = *self.shared.member.read();
        self.shared.metrics.nodes_alive(nodes.alive.len());
        let oldest = nodes.alive.iter().map(|node| node.version).fold(own.version, u8::min);
        version.store(oldest.max(OLDEST_VERSION), Ordering::Relaxed);
        for dead in nodes.dead {
            if dead.incarnation == own.incarnation {
                // The next renewal will be refused.
                self.lease.failed(Instant::now());
                continue;
            }
            self.sweep(dead).await?;
        }
        Ok(())
    }

    /// Removes what a dead node entered, and tells of it.
    async fn sweep(&self, dead: Member) -> Result<(), Away> {
        let ledger = &self.shared.ledger;
        let entered = ledger.list_entered(dead.incarnation).await?;
        let removals = entered.into_iter().map(|affair| async move {
            match affair {
                Affair::Presence(document, session) => {
                    ledger.exit(document, session, dead.incarnation).await
                }
                Affair::Slot(user, session) => {
                    ledger.release_slot(user, session, dead.incarnation).await
                }
            }
        });
        let removed: Vec<_> = stream::iter(removals).buffer_unordered(AT_ONCE).collect().await;
        let mut count = 0;
        for removed in removed {
            count += u64::from(removed?);
        }
        self.shared.metrics.swept(count);
        tracing::info!(incarnation = %dead.incarnation, entries = count, "a dead node was swept");
        ledger.forget(dead).await
    }

    /// Writes what is pending, round by round, until nothing is or Redis fails.
    async fn write(&mut self, evict: &dyn Evict) {
        while self.shared.is_open() {
            let affairs = self.shared.pending.lock().take(ROUND);
            if affairs.is_empty() {
                return;
            }
            let shared = &self.shared;
            let writes = affairs
                .iter()
                .map(|affair| async move { (*affair, write_one(shared, *affair, evict).await) });
            let written: Vec<_> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
            let mut failure = None;
            for (affair, written) in written {
                if let Err(away) = written {
                    self.shared.pending.lock().changed(affair);
                    failure = Some(away);
                }
            }
            if let Some(away) = failure {
                self.note_away(&away);
            }
        }
    }

    async fn write_cursors(&mut self) -> Result<(), Away> {
        let moved = self.shared.pending.lock().take_moved();
        let incarnation = self.shared.member.read().incarnation;
        let entries: Vec<_> = moved
            .into_iter()
            .filter_map(|affair| {
                let Affair::Presence(document, session) = affair else { return None };
                let presence = self.shared.local.entry(document, session)?;
                Some(Entry { incarnation, presence })
            })
            .collect();
        // What cannot be written now is where the next move finds it.
        for some in entries.chunks(ROUND) {
            self.shared.ledger.touch(some).await?;
        }
        Ok(())
    }

    fn note_away(&mut self, away: &Away) {
        if std::mem::replace(&mut self.is_up, false) {
            tracing::warn!(error = away as &dyn std::error::Error, "the shared roster is away");
        }
        self.lease.failed(Instant::now());
        self.shared.set_open(false);
    }
}

/// Makes Redis say how one affair stands here.
async fn write_one(shared: &Shared, affair: Affair, evict: &dyn Evict) -> Result<(), Away> {
    let incarnation = shared.member.read().incarnation;
    match affair {
        Affair::Presence(document, session) => match shared.local.entry(document, session) {
            Some(presence) => shared.ledger.enter(&Entry { incarnation, presence }).await,
            None => shared.ledger.exit(document, session, incarnation).await.map(drop),
        },
        Affair::Slot(user, session) => {
            if shared.local.owner(session).is_none() {
                return shared.ledger.release_slot(user, session, incarnation).await.map(drop);
            }
            let limit = shared.limit.load(Ordering::Relaxed);
            if !shared.ledger.take_slot(user, session, incarnation, limit).await? {
                shared.metrics.session_over_limit();
                evict.evict(session);
            }
            Ok(())
        }
    }
}
