//! The open sessions of this node, and the parts that all of them use.
//!
//! [`Sessions`] registers every session while it is open. It drains them when the node stops, and evicts a session when
//! its user has too many.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::Addr;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Execute, Identity, Limits, SessionOptions, Throttle,
    actor::Session,
    admitted_sessions::AdmittedSessions,
    messages::{Drain, EvictSession, SignOut},
    slot_search::{close_one_dead, replace},
};
use crate::{
    bridge::{Bridge, SessionCallSink},
    connection::LeastRate,
    domain::{EndedSignIns, KeptSession, Party, SessionId, SignIn, UserId},
    fair_queue::FairQueue,
    log_pace::LogPace,
    memory::MemoryAccount,
    metrics::Metrics,
    outbox::{OutboxOptions, OutboxTotals},
    roster::{self, Roster},
    wire::{Predecessor, envelope::SessionCall},
};

/// The parts that sessions use.
pub struct SessionParts {
    /// Authenticates clients.
    pub identity: Identity,
    /// Runs operations.
    pub execute: Arc<dyn Execute>,
    /// Counts the connections of users.
    pub roster: Arc<dyn Roster>,
    /// Reaches the sessions of other nodes.
    pub bridge: Arc<dyn Bridge>,
    /// Limits the operations per user.
    pub throttle: Arc<Throttle<UserId>>,
    /// Limits the searches for dead sessions per user.
    pub slot_searches: Throttle<UserId>,
    /// The memory of large messages.
    pub memory: MemoryAccount,
    /// The rate at which large messages must arrive.
    pub message_rate: LeastRate,
    /// The turns of work on large messages.
    pub turns: FairQueue<Party>,
    /// The metrics.
    pub metrics: Metrics,
    /// The totals over all outboxes.
    pub totals: Arc<OutboxTotals>,
    /// The `[session]` section.
    pub options: SessionOptions,
    /// The `[limits]` section.
    pub limits: Limits,
    /// The `[outbox]` section.
    pub outbox: OutboxOptions,
    /// The sessions that are open.
    pub sessions: Sessions,
    /// The pace of the log of sessions that are refused.
    pub refusals: LogPace,
}

/// The open sessions of this node.
#[derive(Clone)]
pub struct Sessions {
    open: Arc<Mutex<OpenSessions>>,
    count: Arc<watch::Sender<usize>>,
}

#[derive(Default)]
struct OpenSessions {
    sessions: HashMap<SessionId, Addr<Session>>,
    admitted: AdmittedSessions,
    /// Whether the node is stopping.
    draining: bool,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { open: Arc::default(), count: Arc::new(watch::channel(0).0) }
    }
}

impl Sessions {
    /// Registers a session. Also returns whether the node is stopping, so that the session must close at once.
    pub(super) fn add(&self, id: SessionId, session: Addr<Session>) -> (Registered, bool) {
        let is_draining = {
            let mut open = self.open.lock();
            open.sessions.insert(id, session);
            open.draining
        };
        self.count.send_modify(|count| *count += 1);
        (Registered { sessions: self.clone(), id, user: None }, is_draining)
    }

    /// Returns the admitted sessions of a user on this node.
    pub(super) fn of_user(&self, user: UserId) -> Vec<Addr<Session>> {
        let open = self.open.lock();
        open.admitted.of(user).filter_map(|id| open.sessions.get(&id).cloned()).collect()
    }

    /// Returns the sessions on this node that the session `successor` of `user` replaces.
    pub(super) fn named(
        &self,
        user: UserId,
        predecessor: Predecessor,
        successor: SessionId,
    ) -> Vec<Addr<Session>> {
        let open = self.open.lock();
        let named = open.admitted.named(user, predecessor, successor);
        named.filter_map(|id| open.sessions.get(&id).cloned()).collect()
    }

    /// Closes the sessions of a user whose sign-ins have ended. The session `kept` of the user belongs to another
    /// sign-in from then on. Returns immediately, with whether there were any.
    pub fn end_sign_ins(
        &self,
        user: UserId,
        ended: EndedSignIns,
        kept: Option<KeptSession>,
    ) -> bool {
        let sessions: Vec<_> = {
            let mut open = self.open.lock();
            if let Some(kept) = kept {
                open.admitted.keep(user, kept);
            }
            let of_ended = open.admitted.of_ended(user, ended);
            of_ended.filter_map(|id| open.sessions.get(&id).cloned()).collect()
        };
        let has_any = !sessions.is_empty();
        for session in sessions {
            // A task waits for capacity in the mailbox, so that the message is not lost.
            tokio::spawn(async move {
                if session.send(SignOut).await.is_err() {
                    tracing::debug!("a session had ended before it was signed out");
                }
            });
        }
        has_any
    }

    /// Returns the number of open sessions.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Closes every session and waits until they have ended. The closes are spread evenly over `window`, so that clients
    /// do not reconnect all at once.
    ///
    /// # Cancel safety
    /// Sessions that have received the message close although the future is dropped.
    pub async fn drain(&self, window: Duration) {
        let sessions: Vec<_> = {
            let mut open = self.open.lock();
            open.draining = true;
            open.sessions.values().cloned().collect()
        };
        let step = window / u32::try_from(sessions.len().max(1)).unwrap_or(u32::MAX);
        for (position, session) in (0_u32..).zip(sessions) {
            let wait = step.saturating_mul(position);
            if session.send(Drain { wait }).await.is_err() {
                tracing::debug!("a session had ended before it was drained");
            }
        }
        self.gone().await;
    }

    /// Waits until no session is open.
    pub async fn gone(&self) {
        let mut count = self.count.subscribe();
        if count.wait_for(|count| *count == 0).await.is_err() {
            tracing::error!("could not wait for the end of all sessions");
        }
    }
}

/// Ends sessions that turn out to be above their user's limit.
impl roster::SessionEvictor for Sessions {
    fn evict(&self, session: SessionId) {
        let addr = self.open.lock().sessions.get(&session).cloned();
        let Some(addr) = addr else { return };
        // A task waits for capacity in the mailbox, so that the message is not lost.
        tokio::spawn(async move {
            if addr.send(EvictSession).await.is_err() {
                tracing::debug!(session.id = %session, "a session had ended before it was evicted");
            }
        });
    }
}

/// Carries out the requests of other nodes.
impl SessionCallSink for Sessions {
    fn receive(&self, call: SessionCall) {
        let sessions = self.clone();
        tokio::spawn(async move {
            let has_closed = match call {
                SessionCall::Replace { user, predecessor, successor } => {
                    replace(&sessions, user, predecessor, successor).await
                }
                SessionCall::FreeSlot { user } => close_one_dead(&sessions, user).await,
                SessionCall::EndSignIns { user, ended, kept } => {
                    sessions.end_sign_ins(user, ended, kept)
                }
            };
            tracing::debug!(has_closed, "carried out a request of another node");
        });
    }
}

/// A session's registration. Dropping it removes the session.
pub(super) struct Registered {
    sessions: Sessions,
    id: SessionId,
    /// The user while the session is admitted.
    user: Option<UserId>,
}

impl Registered {
    /// Adds the session to those of its user. `name` is how a newer connection names this one, if not by its id.
    pub(super) fn admit(
        &mut self,
        user: UserId,
        sign_in: Arc<Mutex<SignIn>>,
        name: Option<Predecessor>,
    ) {
        self.user = Some(user);
        self.sessions.open.lock().admitted.add(user, self.id, sign_in, name);
    }

    /// Removes the session from those of its user: it has given its slot back.
    pub(super) fn leave(&mut self) {
        if let Some(user) = self.user.take() {
            self.sessions.open.lock().admitted.remove(user, self.id);
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.leave();
        let gone = self.sessions.open.lock().sessions.remove(&self.id);
        drop(gone);
        self.sessions.count.send_modify(|count| *count -= 1);
    }
}
