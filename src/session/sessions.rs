//! The sessions of this node, and what all of them are built from.

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::Addr;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{
    Execute, Identity, Limits, SessionOptions, Throttle,
    actor::Session,
    messages::{Drain, EvictSession},
};
use crate::{
    domain::{SessionId, UserId},
    metrics::Metrics,
    outbox::{OutboxOptions, OutboxTotals},
    roster::{self, Roster},
};

/// What a session is built from.
pub struct SessionParts {
    /// Who is who.
    pub identity: Identity,
    /// Where operations are run.
    pub execute: Arc<dyn Execute>,
    /// Who is connected.
    pub roster: Arc<dyn Roster>,
    /// How often a user may run an operation.
    pub throttle: Arc<Throttle<UserId>>,
    /// The meters.
    pub metrics: Metrics,
    /// What waits in all outboxes together.
    pub totals: Arc<OutboxTotals>,
    /// The `[session]` section.
    pub options: SessionOptions,
    /// The `[limits]` section.
    pub limits: Limits,
    /// The `[outbox]` section.
    pub outbox: OutboxOptions,
    /// The sessions that are open.
    pub sessions: Sessions,
}

/// The open sessions of this node.
#[derive(Clone)]
pub struct Sessions {
    open: Arc<Mutex<OpenSession>>,
    count: Arc<watch::Sender<usize>>,
}

#[derive(Default)]
struct OpenSession {
    sessions: HashMap<SessionId, Addr<Session>>,
    /// Whether the sessions have been asked to end.
    draining: bool,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { open: Arc::default(), count: Arc::new(watch::channel(0).0) }
    }
}

impl Sessions {
    /// Lists a session, and says whether it is late: the others have been asked to end already.
    pub(super) fn add(&self, id: SessionId, session: Addr<Session>) -> (Registered, bool) {
        let late = {
            let mut open = self.open.lock();
            open.sessions.insert(id, session);
            open.draining
        };
        self.count.send_modify(|count| *count += 1);
        (Registered { sessions: self.clone(), id }, late)
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Asks every session to end, spread evenly over `window`, so that the clients do not all come back at once,
    /// and waits until they have gone.
    pub async fn drain(&self, window: Duration) {
        let sessions: Vec<_> = {
            let mut open = self.open.lock();
            open.draining = true;
            open.sessions.values().cloned().collect()
        };
        let step = window / u32::try_from(sessions.len().max(1)).unwrap_or(u32::MAX);
        for (place, session) in (0_u32..).zip(sessions) {
            let wait = step.saturating_mul(place);
            if session.send(Drain { wait }).await.is_err() {
                tracing::debug!("a session had ended before it was asked to");
            }
        }
        self.gone().await;
    }

    /// Waits until there are none.
    pub async fn gone(&self) {
        let mut count = self.count.subscribe();
        if count.wait_for(|count| *count == 0).await.is_err() {
            tracing::error!("the count of sessions was lost");
        }
    }
}

/// Whoever turns out to be one too many is sent away as if he had come too late.
impl roster::SessionEvictor for Sessions {
    fn evict(&self, session: SessionId) {
        let session = self.open.lock().sessions.get(&session).cloned();
        let Some(session) = session else { return };
        // Never lost: a task waits for its place in the mailbox.
        tokio::spawn(async move {
            if session.send(EvictSession).await.is_err() {
                tracing::debug!("a session had ended before it was sent away");
            }
        });
    }
}

/// A session's place among the open ones, given up when it is dropped.
pub(super) struct Registered {
    sessions: Sessions,
    id: SessionId,
}

impl Drop for Registered {
    fn drop(&mut self) {
        let gone = self.sessions.open.lock().sessions.remove(&self.id);
        drop(gone);
        self.sessions.count.send_modify(|count| *count -= 1);
    }
}
