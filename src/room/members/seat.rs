//! One subscription's place in a room.
//!
//! A seat is first pending, then confirmed, then ended, and never goes back. Both the session and the room may end
//! it; the state is shared so that a session can ask without a message.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use crate::{
    domain::{AccessLevel, DocumentId, SessionId, Topic, User},
    outbox::{Outbox, SeatId},
    wire::graphql_ws::OperationId,
};

/// How far a seat has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SeatState {
    /// Reserved, while access is being read.
    Pending = 0,
    /// Admitted: it hears what happens, and its session may move its cursor.
    Confirmed = 1,
    /// Given up by the session or taken away by the room.
    Ended = 2,
}

/// Why a room ends a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatEnd {
    /// The user's access was revoked.
    Revoked,
    /// The reader was too slow: what waited for the seat passed the outbox's bound.
    Overflow,
    /// The document was deleted; there is nothing more to hear.
    Deleted,
    /// The room ended unexpectedly, or could not render an event.
    Broken,
    /// What the editor has belongs to another history of the document.
    Unrelated,
}

/// Who sits where, shared by the session and the room.
#[derive(Debug)]
pub struct Seat {
    /// Its identity in outboxes and rooms, unique in this process.
    pub id: SeatId,
    /// The document whose room it is in.
    pub document: DocumentId,
    /// What it listens to.
    pub topic: Topic,
    /// The session that took it.
    pub session: SessionId,
    /// Whose session that is.
    pub user: User,
    state: AtomicU8,
    /// 0 until the level was read, then 1 more than its place among the levels.
    level: AtomicU8,
    /// Under which id an editor speaks; more than any id until it does.
    client: AtomicU64,
}

impl Seat {
    /// A pending seat.
    #[must_use]
    pub fn new(document: DocumentId, topic: Topic, session: SessionId, user: User) -> Self {
        let state = AtomicU8::new(SeatState::Pending as u8);
        let level = AtomicU8::new(0);
        let client = AtomicU64::new(u64::MAX);
        Self { id: SeatId::new(), document, topic, session, user, state, level, client }
    }

    /// How far it has come.
    #[must_use]
    pub fn state(&self) -> SeatState {
        match self.state.load(Ordering::Acquire) {
            0 => SeatState::Pending,
            1 => SeatState::Confirmed,
            _ => SeatState::Ended,
        }
    }

    /// Whether its session may act as somebody who has the document open.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.state() == SeatState::Confirmed
    }

    /// What its user may do, as far as this node has heard; none before it was read. Good for not asking the store in
    /// vain; whoever stores something asks the store all the same.
    #[must_use]
    pub fn level(&self) -> Option<AccessLevel> {
        match self.level.load(Ordering::Acquire) {
            0 => None,
            1 => Some(AccessLevel::View),
            2 => Some(AccessLevel::Edit),
            _ => Some(AccessLevel::Owner),
        }
    }

    /// Under which client's id the editor of this seat speaks, once it does.
    #[must_use]
    pub fn client(&self) -> Option<u32> {
        u32::try_from(self.client.load(Ordering::Acquire)).ok()
    }

    /// The editor of this seat speaks under this id.
    pub(in crate::room) fn set_client(&self, client: u32) {
        self.client.store(client.into(), Ordering::Release);
    }

    /// Notes the level that was read after the seat was reserved; one that the room was told of meanwhile is newer.
    pub fn note_level(&self, level: AccessLevel) {
        let noted =
            self.level.compare_exchange(0, 1 + level as u8, Ordering::AcqRel, Ordering::Acquire);
        if let Err(newer) = noted {
            tracing::trace!(newer, "the level was changed while it was read");
        }
    }

    /// Its user may do something else from now on.
    pub(in crate::room) fn set_level(&self, level: AccessLevel) {
        self.level.store(1 + level as u8, Ordering::Release);
    }

    /// Admits a pending seat. False when it has ended meanwhile.
    pub(in crate::room) fn confirm(&self) -> bool {
        let (from, to) = (SeatState::Pending as u8, SeatState::Confirmed as u8);
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Ends it, whoever asks.
    pub fn end(&self) {
        self.state.store(SeatState::Ended as u8, Ordering::Release);
    }
}

/// Hears that the room has ended a seat.
pub trait SeatEnded: Send + Sync {
    /// The seat has ended; nothing of it waits any more.
    fn seat_ended(&self, why: SeatEnd);
}

/// Where a seat's frames go and what they are called there.
#[derive(Clone)]
pub struct Place {
    /// The seat.
    pub seat: Arc<Seat>,
    /// The send buffer of its session.
    pub outbox: Outbox,
    /// What the client called the subscription; none for a Yjs editor, which has only one seat.
    pub tag: Option<OperationId>,
    /// Who hears when the room ends the seat, if its frames do not say so.
    pub ended: Option<Arc<dyn SeatEnded>>,
}
