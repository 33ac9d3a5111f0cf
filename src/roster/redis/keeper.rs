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
    commands::NodeMember,
    entry_key::Affair,
    handle::{MAX_BATCH, RosterShared},
    lease::Lease,
};
use crate::{
    redis::Away,
    roster::{RosterOptions, SessionEvictor},
    wire::envelope::{OLDEST_VERSION, PresenceEntry},
};

/// How often it looks after the lease and the dead, and writes where cursors are; where leases are renewed more often, as
/// often as that.
const TURN: Duration = Duration::from_secs(1);

/// So many affairs are written in one round.
const ROUND: usize = 256;

/// What an incarnation left may come up for so long after it ended: a command that was on its way.
const AFTERLIFE: Duration = Duration::from_secs(10);

/// Keeps a node's part of the shared roster. It works for as long as [`Keeper::run`] is polled.
pub struct Keeper {
    shared: Arc<RosterShared>,
    lease: Lease,
    every: Duration,
    /// Whether this node holds a lease as what it is now.
    has_lease: bool,
    /// Whether Redis answered last time.
    is_up: bool,
    /// Since when every node reads newer envelopes than are written.
    uniform_since: Option<Instant>,
    /// When this node ceased to be what it was.
    incarnated_at: Option<Instant>,
}

impl Keeper {
    pub(super) fn new(shared: Arc<RosterShared>, options: RosterOptions) -> Self {
        let lease = Lease::new(options, Instant::now());
        Self {
            shared,
            lease,
            every: TURN.min(options.renew_every),
            has_lease: false,
            is_up: true,
            uniform_since: None,
            incarnated_at: None,
        }
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
    pub async fn run(mut self, evict: Arc<dyn SessionEvictor>, version: Arc<AtomicU8>) {
        let shared = Arc::clone(&self.shared);
        let mut next_turn = Instant::now();
        loop {
            // The lease comes first, however much there is to write.
            if Instant::now() >= next_turn || (self.has_lease && self.lease.is_due(Instant::now()))
            {
                self.turn(&version).await;
                next_turn = Instant::now() + self.every;
            }
            let wrote = self.write_some(&*evict).await;
            tokio::select! {
                biased;
                () = shared.stop.notified() => break,
                () = std::future::ready(()), if wrote => {}
                () = shared.wake.notified(), if shared.is_open() => {}
                () = sleep_until(next_turn) => {}
            }
        }
        self.leave(&*evict).await;
    }

    /// Takes this node and everything that it entered out of the roster. Where that fails the lease runs out, and the
    /// others do it.
    async fn leave(&mut self, evict: &dyn SessionEvictor) {
        while self.write_some(evict).await {}
        let member = *self.shared.member.read();
        if let Err(away) = self.sweep(member).await {
            self.note_away(&away);
        }
        self.shared.set_open(false);
    }

    /// What is done every second.
    async fn turn(&mut self, version: &AtomicU8) {
        let done = async {
            self.look_after_lease().await?;
            if self.has_lease {
                self.look_after_others(version).await?;
                self.write_cursors().await?;
            }
            Ok(())
        };
        match done.await {
            Ok(()) => {}
            Err(away) => self.note_away(&away),
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
        self.shared.answers.store(true, Ordering::Release);
        if !renewed {
            self.incarnate(member);
            return Ok(());
        }
        self.lease.renewed(now);
        self.has_lease = true;
        if !std::mem::replace(&mut self.is_up, true) || !self.shared.is_open() {
            // What was written last may not have been kept: a replica may have taken over that had not heard of it.
            self.note_everything(member).await?;
            self.shared.set_open(true);
        }
        Ok(())
    }

    /// Notes all that this node has entered, and should have.
    async fn note_everything(&self, member: NodeMember) -> Result<(), Away> {
        let entered = self.shared.ledger.list_entered(member.incarnation).await?;
        let mut pending = self.shared.pending.lock();
        for affair in entered {
            pending.changed(affair);
        }
        for (user, session) in self.shared.local.slots() {
            pending.changed(Affair::Slot(user, session));
        }
        for (document, session) in self.shared.local.present() {
            pending.changed(Affair::Presence(document, session));
        }
        Ok(())
    }

    /// The others count this node as dead, or Redis forgot it: it enters everything as somebody new, one turn from now. By
    /// then what waits on sockets has been read: who hung up meanwhile does not come back to life.
    fn incarnate(&mut self, before: NodeMember) {
        tracing::warn!(incarnation = %before.incarnation, "the lease was lost; sessions are entered again");
        self.shared.metrics.incarnated();
        self.shared.set_open(false);
        self.has_lease = false;
        self.incarnated_at = Some(Instant::now());
        let incarnation = uuid::Uuid::new_v4();
        self.shared.former.write().push(before);
        *self.shared.member.write() = NodeMember { incarnation, ..before };
    }

    async fn look_after_others(&mut self, version: &AtomicU8) -> Result<(), Away> {
        let may_declare = self.lease.may_declare(Instant::now());
        let nodes = self.shared.ledger.claim(may_declare).await?;
        self.lease.answered(Instant::now());
        let own = *self.shared.member.read();
        self.shared.metrics.nodes_alive(nodes.alive.len());
        self.agree(version, &nodes.alive, own.version);
        for dead in nodes.dead {
            if dead.incarnation == own.incarnation {
                // The next renewal will be refused.
                self.lease.failed(Instant::now());
                continue;
            }
            self.sweep(dead).await?;
        }
        self.sweep_former().await
    }

    /// Writes what the oldest node reads: at once when one comes, and not before a lease has passed without it when it
    /// went, in which others of its kind would have been seen.
    fn agree(&mut self, version: &AtomicU8, alive: &[NodeMember], own: u8) {
        let oldest = alive.iter().map(|node| node.version).fold(own, u8::min).max(OLDEST_VERSION);
        let now = Instant::now();
        if oldest <= version.load(Ordering::Relaxed) {
            version.store(oldest, Ordering::Relaxed);
            self.uniform_since = None;
        } else if now.duration_since(*self.uniform_since.get_or_insert(now)) >= self.lease.length()
        {
            version.store(oldest, Ordering::Relaxed);
        }
    }

    /// Removes what this node wrote as what it was before, once it has entered as what it is now who is still there.
    async fn sweep_former(&mut self) -> Result<(), Away> {
        let former = self.shared.former.read().clone();
        if former.is_empty() || !self.shared.pending.lock().is_empty() {
            return Ok(());
        }
        for member in former {
            self.sweep(member).await?;
        }
        if self.incarnated_at.is_none_or(|at| at.elapsed() >= AFTERLIFE) {
            self.shared.former.write().clear();
        }
        Ok(())
    }

    /// Removes what a node entered that is no more, and tells of it.
    async fn sweep(&mut self, gone: NodeMember) -> Result<(), Away> {
        let entered = self.shared.ledger.list_entered(gone.incarnation).await?;
        let mut count = 0;
        for some in entered.chunks(ROUND) {
            let ledger = &self.shared.ledger;
            let removals = some.iter().map(|affair| async move {
                match *affair {
                    Affair::Presence(document, session) => {
                        ledger.exit(document, session, gone.incarnation).await
                    }
                    Affair::Slot(user, session) => {
                        ledger.release_slot(user, session, gone.incarnation).await
                    }
                }
            });
            let removed: Vec<_> =
                stream::iter(removals).buffer_unordered(MAX_BATCH).collect().await;
            for removed in removed {
                match removed {
                    Ok(was_there) => count += u64::from(was_there),
                    Err(Away::Refused(error)) => {
                        tracing::error!(%error, "an entry of a dead node cannot be removed");
                    }
                    Err(away) => return Err(away),
                }
            }
            // However much there is to remove, this node has to be known to live.
            if self.has_lease && self.lease.is_due(Instant::now()) {
                self.look_after_lease().await?;
            }
        }
        if count > 0 {
            self.shared.metrics.swept(count);
            tracing::info!(incarnation = %gone.incarnation, entries = count, "a node was swept");
        }
        self.shared.ledger.forget(gone).await
    }

    /// Writes some of what is pending. False when nothing is, or nothing can be.
    async fn write_some(&mut self, evict: &dyn SessionEvictor) -> bool {
        if !self.shared.is_open() {
            return false;
        }
        let affairs = self.shared.pending.lock().take(ROUND);
        if affairs.is_empty() {
            return false;
        }
        let shared = &self.shared;
        let writes = affairs
            .iter()
            .map(|affair| async move { (*affair, write_one(shared, *affair, evict).await) });
        let written: Vec<_> = stream::iter(writes).buffer_unordered(MAX_BATCH).collect().await;
        let mut failure = None;
        for (affair, written) in written {
            match written {
                Ok(()) => {}
                // Asking again would not help; the next time that it changes it is tried again.
                Err(Away::Refused(error)) => {
                    tracing::error!(%error, "an entry of the shared roster cannot be written");
                }
                Err(away) => {
                    self.shared.pending.lock().changed(affair);
                    failure = Some(away);
                }
            }
        }
        if let Some(away) = &failure {
            self.note_away(away);
        }
        failure.is_none()
    }

    async fn write_cursors(&mut self) -> Result<(), Away> {
        let moved = self.shared.pending.lock().take_moved();
        let incarnation = self.shared.member.read().incarnation;
        let entries: Vec<_> = moved
            .into_iter()
            .filter_map(|affair| {
                let Affair::Presence(document, session) = affair else { return None };
                let presence = self.shared.local.entry(document, session)?;
                Some(PresenceEntry { incarnation, presence })
            })
            .collect();
        // What cannot be written now is where the next move finds it.
        for some in entries.chunks(ROUND) {
            self.shared.ledger.touch(some).await?;
        }
        Ok(())
    }

    fn note_away(&mut self, away: &Away) {
        let error: &dyn std::error::Error = away;
        if matches!(away, Away::Refused(_)) {
            return tracing::error!(error, "the shared roster is out of order");
        }
        if std::mem::replace(&mut self.is_up, false) {
            tracing::warn!(error, "the shared roster is away");
        }
        self.lease.failed(Instant::now());
        self.shared.answers.store(false, Ordering::Release);
        self.shared.set_open(false);
    }
}

/// However the keeper ends, nothing is entered any more, and whoever asks is told so.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.answers.store(false, Ordering::Release);
        self.shared.set_open(false);
    }
}

/// Makes Redis say how one affair stands here.
async fn write_one(
    shared: &RosterShared,
    affair: Affair,
    evict: &dyn SessionEvictor,
) -> Result<(), Away> {
    let incarnation = shared.member.read().incarnation;
    match affair {
        Affair::Presence(document, session) => {
            if let Some(presence) = shared.local.entry(document, session) {
                return shared.ledger.enter(&PresenceEntry { incarnation, presence }).await;
            }
            for incarnation in shared.incarnations() {
                shared.ledger.exit(document, session, incarnation).await?;
            }
        }
        Affair::Slot(user, session) => {
            if shared.local.owner(session).is_some() {
                let limit = shared.limit.load(Ordering::Relaxed);
                if !shared.ledger.take_slot(user, session, incarnation, limit).await? {
                    shared.metrics.session_over_limit();
                    evict.evict(session);
                }
                return Ok(());
            }
            for incarnation in shared.incarnations() {
                shared.ledger.release_slot(user, session, incarnation).await?;
            }
        }
    }
    Ok(())
}
