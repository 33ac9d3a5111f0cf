//! Puts frames for a seat into its session's outbox.
//!
//! Every frame of a room goes through [`push`], so a full outbox is reported whichever frame filled it.

use bytes::Bytes;

use crate::{
    domain::{PresenceChangeKind, SessionId, Version},
    metrics::Metrics,
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

impl SeatFrame {
    fn label(&self) -> &'static str {
        match self {
            Self::Change(..) => "change",
            Self::Lasting(_) => "lasting",
            Self::Cursor(..) => "cursor",
            Self::Presence(..) => "presence",
        }
    }
}

/// Queues a frame. Logs and counts when it fills the outbox.
pub(in crate::room) fn push(seat: &Seat, metrics: &Metrics, frame: SeatFrame) -> PushOutcome {
    let (label, outbox) = (frame.label(), seat.outbox());
    let pushed = match frame {
        SeatFrame::Change(version, bytes) => outbox.change(seat.id(), version, bytes),
        SeatFrame::Lasting(bytes) => outbox.lasting(seat.id(), bytes),
        SeatFrame::Cursor(about, bytes) => outbox.cursor(seat.id(), about, bytes),
        SeatFrame::Presence(about, kind, bytes) => outbox.presence(seat.id(), about, kind, bytes),
    };
    if pushed.reached_limit {
        metrics.outbox_bound_reached(1);
        tracing::warn!(
            session.id = %seat.session(),
            user.id = %seat.user().id,
            document.id = %seat.document(),
            frame = label,
            "outbox reached its limit"
        );
    }
    pushed.outcome
}
