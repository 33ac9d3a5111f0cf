//! The search for a connection slot, which may end dead sessions of the same user.
//!
//! A phone that changes networks leaves a session behind that holds its slot for `session.silence_allowed`. A new session
//! replaces the predecessor that it names. If its user has no slot left all the same, the node probes the user's sessions
//! and closes the one that has been silent longest, if it does not answer. A client that answers is never closed. The other
//! nodes do the same with their sessions of the user, if they share Redis.
//!
//! Invariant: a search closes only sessions of its own user, and without a named predecessor at most one on each node.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::{
    SessionParts, Sessions,
    heartbeat::{ANSWER_WITHIN, SUSPENDED},
    messages::{CloseIfSilent, Probe, Replace},
};
use crate::{
    domain::{SessionId, UserId},
    roster::{Slot, SlotError},
    wire::{Predecessor, envelope::SessionCall},
};

/// How long a search waits for a session to do what a message says. A probe takes [`ANSWER_WITHIN`] of it.
const MAX_MESSAGE_WAIT: Duration = ANSWER_WITHIN.saturating_add(SUSPENDED);

/// How long a search waits until a slot that was given back is free. A shared roster writes that a moment later.
const MAX_RELEASE_WAIT: Duration = Duration::from_secs(1);

/// The pause between two attempts to take a slot.
const RETRY_EVERY: Duration = Duration::from_millis(250);

/// How often a user may have dead sessions searched for. Further new sessions are refused at once. It is enough for a client
/// that reconnects many sockets again and again, and bounds the messages to other nodes and the attempts on Redis.
pub const MAX_SEARCHES_PER_MINUTE: u32 = 60;

/// The search of one new session.
pub(super) struct SlotSearch<'a> {
    pub(super) parts: &'a SessionParts,
    pub(super) user: UserId,
    pub(super) session: SessionId,
}

impl SlotSearch<'_> {
    /// Takes a slot, in the place of `predecessor` if it is an open session of the user.
    ///
    /// # Errors
    /// [`SlotError::LimitReached`] if all slots are taken by sessions whose clients answer.
    ///
    /// # Cancel safety
    /// Dropping the future releases the slot. Sessions that were closed stay closed.
    pub(super) async fn take(&self, predecessor: Option<Predecessor>) -> Result<Slot, SlotError> {
        let released_within = match predecessor {
            Some(predecessor) if self.replace(predecessor).await => MAX_RELEASE_WAIT,
            Some(_) | None => Duration::ZERO,
        };
        match self.take_until(Instant::now() + released_within).await {
            Ok(slot) => return Ok(slot),
            Err(refused @ SlotError::LimitReached { .. }) => {
                if self.parts.slot_searches.take(&self.user).is_err() {
                    return Err(refused);
                }
            }
        }
        let until = self.free_slot().await;
        self.take_until(until).await
    }

    /// Closes the predecessor, here or on another node. Returns whether that may free a slot.
    async fn replace(&self, predecessor: Predecessor) -> bool {
        let (user, successor) = (self.user, self.session);
        let call = SessionCall::Replace { user, predecessor, successor };
        replace(&self.parts.sessions, user, predecessor, successor).await
            || self.parts.bridge.call_sessions(call)
    }

    /// Closes a dead session of the user, if there is one. Returns until when a slot may become free.
    async fn free_slot(&self) -> Instant {
        let (user, sessions) = (self.user, &self.parts.sessions);
        let begun = Instant::now();
        let are_elsewhere = sessions.of_user(user).len() < self.parts.limits.connections_per_user;
        let called =
            are_elsewhere && self.parts.bridge.call_sessions(SessionCall::FreeSlot { user });
        if close_one_dead(sessions, user).await {
            Instant::now() + MAX_RELEASE_WAIT
        } else if called {
            begun + MAX_MESSAGE_WAIT + MAX_RELEASE_WAIT
        } else {
            // A session may have left while others were probed.
            Instant::now()
        }
    }

    /// Tries to take a slot at least once, and again until `until`.
    async fn take_until(&self, until: Instant) -> Result<Slot, SlotError> {
        loop {
            match self.try_take().await {
                Err(SlotError::LimitReached { .. }) if Instant::now() < until => {
                    sleep(RETRY_EVERY).await;
                }
                taken => return taken,
            }
        }
    }

    async fn try_take(&self) -> Result<Slot, SlotError> {
        let (roster, limit) =
            (Arc::clone(&self.parts.roster), self.parts.limits.connections_per_user);
        Slot::take(roster, self.user, self.session, limit).await
    }
}

/// Closes the sessions on this node that the session `successor` of `user` replaces. Returns whether there was one.
pub(super) async fn replace(
    sessions: &Sessions,
    user: UserId,
    predecessor: Predecessor,
    successor: SessionId,
) -> bool {
    let named = sessions.named(user, predecessor, successor);
    let replaced = join_all(named.iter().map(|session| session.send(Replace)));
    let Ok(replaced) = timeout(MAX_MESSAGE_WAIT, replaced).await else { return false };
    replaced.contains(&Ok(true))
}

/// Probes the sessions of `user` on this node and closes the one that has been silent longest, if it does not answer.
/// Returns whether there was one.
pub(super) async fn close_one_dead(sessions: &Sessions, user: UserId) -> bool {
    let probes = sessions.of_user(user).into_iter().map(|session| async move {
        match timeout(MAX_MESSAGE_WAIT, session.send(Probe)).await {
            Ok(Ok(Some(silence))) => Some((silence, session)),
            // It answers, has ended, or is busy.
            Ok(Ok(None) | Err(_)) | Err(_) => None,
        }
    });
    let mut dead: Vec<_> = join_all(probes).await.into_iter().flatten().collect();
    dead.sort_by_key(|(silence, _)| std::cmp::Reverse(*silence));
    for (silence, session) in dead {
        // Another search may have closed it meanwhile.
        if let Ok(true) = session.send(CloseIfSilent).await {
            tracing::info!(?silence, "a silent session of the same user gives way");
            return true;
        }
    }
    false
}
