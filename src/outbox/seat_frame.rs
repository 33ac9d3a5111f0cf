//! A frame for a seat.

use bytes::Bytes;

use super::OutboxFrame;
use crate::domain::{PresenceChangeKind, SessionId, Version};

/// A frame for a seat, by what happens to it in a full outbox.
#[derive(Debug, Clone)]
pub enum SeatFrame {
    /// A change. It is dropped with all queued changes and replayed later.
    Change(Version, OutboxFrame),
    /// A frame that cannot be replayed. It is always queued.
    Lasting(OutboxFrame),
    /// A cursor, or awareness of a session. A newer one replaces it; it may be dropped.
    Cursor(SessionId, Bytes),
    /// An arrival or a departure. The subscription ends if it cannot be queued.
    Presence(SessionId, PresenceChangeKind, Bytes),
}

impl SeatFrame {
    /// Returns the class as it is called in logs.
    pub(super) fn class(&self) -> &'static str {
        match self {
            Self::Change(..) => "change",
            Self::Lasting(..) => "lasting",
            Self::Cursor(..) => "cursor",
            Self::Presence(..) => "presence",
        }
    }
}
