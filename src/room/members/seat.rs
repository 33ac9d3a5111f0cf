//! One subscription's place in a room.
//!
//! A seat is first pending, then confirmed, then ended, and never goes back. The session and the room share it: either may
//! end it, and the session reads its state without sending a message.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};

use bytes::Bytes;

use crate::{
    domain::{AccessLevel, DocumentId, SessionId, Topic, User},
    outbox::{Outbox, OutboxFrame, SeatId},
    wire::hocuspocus::SocketName,
};

/// A session that asks for a seat, and where its frames go.
#[derive(Debug, Clone)]
pub struct Subscriber {
    /// The session.
    pub session: SessionId,
    /// The session's user.
    pub user: User,
    /// The session's send buffer.
    pub outbox: Outbox,
    /// How the frames of a document begin, if the session's socket carries several.
    pub name: Option<SocketName>,
}

/// The state of a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SeatState {
    /// Reserved, while the access level is being read.
    Pending = 0,
    /// Admitted: it receives events, and its session may move its cursor.
    Confirmed = 1,
    /// Given up by the session or taken away by the room.
    Ended = 2,
}

/// Why a room takes a seat away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatEnd {
    /// The user's access was revoked.
    Revoked,
    /// The consumer was too slow: its queued presence events exceeded the outbox.
    Overflow,
    /// The document was deleted.
    Deleted,
    /// The room ended unexpectedly, or could not render or load what the seat must receive.
    Broken,
    /// The stored document cannot be read.
    Corrupt,
    /// The subscription selects large fields so often that an event would be too large.
    Repetitive,
    /// The Yjs editor holds another history of the document.
    Unrelated,
    /// The document is too heavy to be loaded.
    TooHeavy,
    /// There was no memory for an answer to the Yjs editor: other answers to its user were not received.
    NoMemory,
}

impl SeatEnd {
    /// Returns the name of the reason in logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Overflow => "overflow",
            Self::Deleted => "deleted",
            Self::Broken => "broken",
            Self::Corrupt => "corrupt",
            Self::Repetitive => "repetitive",
            Self::Unrelated => "unrelated_history",
            Self::TooHeavy => "too_heavy",
            Self::NoMemory => "memory_exhausted",
        }
    }
}

/// A seat, shared by its session and its room.
#[derive(Debug)]
pub struct Seat {
    id: SeatId,
    document: DocumentId,
    topic: Topic,
    subscriber: Subscriber,
    state: AtomicU8,
    /// 0 until the access level was read, then one more than the level.
    level: AtomicU8,
    /// The access version at which the level was read or changed. 0 until it is known.
    access_version: AtomicI64,
    /// The client id of the Yjs editor. More than any client id until it is known.
    client: AtomicU64,
    /// Whether an update of the Yjs editor in this connection is not stored.
    has_unstored: AtomicBool,
}

impl Seat {
    /// Returns a pending seat.
    #[must_use]
    pub fn new(document: DocumentId, topic: Topic, subscriber: Subscriber) -> Self {
        Self {
            id: SeatId::new(),
            document,
            topic,
            subscriber,
            state: AtomicU8::new(SeatState::Pending as u8),
            level: AtomicU8::new(0),
            access_version: AtomicI64::new(0),
            client: AtomicU64::new(u64::MAX),
            has_unstored: AtomicBool::new(false),
        }
    }

    /// Returns the id, unique in this process.
    #[must_use]
    pub fn id(&self) -> SeatId {
        self.id
    }

    /// Returns the document.
    #[must_use]
    pub fn document(&self) -> DocumentId {
        self.document
    }

    /// Returns the topic that the seat subscribes to.
    #[must_use]
    pub fn topic(&self) -> Topic {
        self.topic
    }

    /// Returns the session that took the seat.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.subscriber.session
    }

    /// Returns the session's user.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.subscriber.user
    }

    /// Returns the session's send buffer.
    #[must_use]
    pub fn outbox(&self) -> &Outbox {
        &self.subscriber.outbox
    }

    /// Returns the name that begins the frames of the document, if the session's socket carries several.
    #[must_use]
    pub fn name(&self) -> Option<&SocketName> {
        self.subscriber.name.as_ref()
    }

    /// Returns a frame for Yjs editors as this seat receives it, in parts that may be shared.
    pub(in crate::room) fn framed(&self, frame: Bytes) -> OutboxFrame {
        match self.name() {
            None => frame.into(),
            Some(name) => OutboxFrame::around_shared(name.named_in_parts(&frame)),
        }
    }

    /// Returns a short frame for Yjs editors as this seat receives it.
    pub(in crate::room) fn framed_whole(&self, frame: Bytes) -> Bytes {
        match self.name() {
            None => frame,
            Some(name) => name.named(&frame),
        }
    }

    /// Returns the state.
    #[must_use]
    pub fn state(&self) -> SeatState {
        match self.state.load(Ordering::Acquire) {
            0 => SeatState::Pending,
            1 => SeatState::Confirmed,
            _ => SeatState::Ended,
        }
    }

    /// Whether the seat is admitted and has not ended.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.state() == SeatState::Confirmed
    }

    /// Returns the user's access level as far as this node knows it. None before it was read. It saves a query to the
    /// store; a commit reads the level again.
    #[must_use]
    pub fn level(&self) -> Option<AccessLevel> {
        match self.level.load(Ordering::Acquire) {
            0 => None,
            1 => Some(AccessLevel::View),
            2 => Some(AccessLevel::Edit),
            _ => Some(AccessLevel::Owner),
        }
    }

    /// Whether the user may edit the document, as far as this node knows.
    #[must_use]
    pub fn may_edit(&self) -> bool {
        self.level().is_some_and(|level| level.allows(AccessLevel::Edit))
    }

    /// Returns the client id of the seat's Yjs editor, once the editor has announced it.
    #[must_use]
    pub fn client(&self) -> Option<u32> {
        u32::try_from(self.client.load(Ordering::Acquire)).ok()
    }

    /// Whether an update of the seat's Yjs editor is not stored, as its session knew when the editor last asked for what it lacks.
    pub(in crate::room) fn has_unstored(&self) -> bool {
        self.has_unstored.load(Ordering::Acquire)
    }

    /// Sets whether an update of the seat's Yjs editor is not stored.
    pub(in crate::room) fn note_unstored(&self, has_unstored: bool) {
        self.has_unstored.store(has_unstored, Ordering::Release);
    }

    /// Sets the client id of the seat's Yjs editor.
    pub(in crate::room) fn set_client(&self, client: u32) {
        self.client.store(client.into(), Ordering::Release);
    }

    /// Sets the level that was read after the seat was reserved, and the access version at which it was read. A level that
    /// the room has set meanwhile is newer and stays.
    pub(in crate::room) fn note_level(&self, level: AccessLevel, access_version: i64) {
        self.access_version.fetch_max(access_version, Ordering::AcqRel);
        let noted =
            self.level.compare_exchange(0, 1 + level as u8, Ordering::AcqRel, Ordering::Acquire);
        if let Err(newer) = noted {
            tracing::trace!(newer, "the access level changed while it was read");
        }
    }

    /// Whether the level was read before an access version. True if either is not known.
    pub(in crate::room) fn precedes(&self, access_version: Option<i64>) -> bool {
        let own = self.access_version.load(Ordering::Acquire);
        access_version.is_none_or(|access_version| own < access_version)
    }

    /// Forgets the access version of the level, because the database has lost it.
    pub(in crate::room) fn forget_access_version(&self) {
        self.access_version.store(0, Ordering::Release);
    }

    /// Sets the user's new level, and the access version at which it changed, if that is known.
    pub(in crate::room) fn set_level(&self, level: AccessLevel, access_version: Option<i64>) {
        self.access_version.fetch_max(access_version.unwrap_or(0), Ordering::AcqRel);
        self.level.store(1 + level as u8, Ordering::Release);
    }

    /// Admits a pending seat. Returns false if it has ended.
    pub(in crate::room) fn confirm(&self) -> bool {
        let (from, to) = (SeatState::Pending as u8, SeatState::Confirmed as u8);
        self.state.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Ends the seat.
    pub fn end(&self) {
        self.state.store(SeatState::Ended as u8, Ordering::Release);
    }
}

/// Notifies a Yjs session of what the room does to its seat. GraphQL sessions learn it from a frame.
pub trait SeatEnded: Send + Sync {
    /// The seat has ended, and nothing is queued for it any more.
    fn seat_ended(&self, why: SeatEnd);

    /// A newer session of the same user uses the client id of this editor. If that is a reconnection, this session is
    /// dead.
    fn client_moved(&self);
}
