//! Puts frames for a seat into its session's outbox.

use bytes::Bytes;

use crate::{
    domain::{PresenceChangeKind, SessionId, Version},
    outbox::PushOutcome,
    room::members::seat::Seat,
};

/// A frame for a seat, by what happens to it in a full outbox.
pub(in crate::room) enum SeatFrame {
    /// A change. It is dropped with all queued changes and replayed later.
    Change(Version, Bytes),
    /// A frame that cannot be replayed. It is always queued.
    Lasting(Bytes),
    /// A cursor, or awareness of a session. A newer one replaces it; it may be dropped.
    Cursor(SessionId, Bytes),
    /// An arrival or a departure. The subscription ends if it cannot be queued.
    Presence(SessionId, PresenceChangeKind, Bytes),
}

/// Queues a frame for a seat. The outbox itself logs and counts when a frame fills it.
pub(in crate::room) fn push(seat: &Seat, frame: SeatFrame) -> PushOutcome {
    let outbox = seat.outbox();
    let pushed = match frame {
        SeatFrame::Change(version, bytes) => outbox.change(seat.id(), version, bytes),
        SeatFrame::Lasting(bytes) => outbox.lasting(seat.id(), bytes),
        SeatFrame::Cursor(about, bytes) => outbox.cursor(seat.id(), about, bytes),
        SeatFrame::Presence(about, kind, bytes) => outbox.presence(seat.id(), about, kind, bytes),
    };
    pushed.outcome
}
