//! What happened to a frame that was pushed.

use crate::domain::Version;

/// What happened to a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushOutcome {
    /// It waits for the socket.
    Queued,
    /// It waits in the position of an older frame, which it replaced.
    Replaced,
    /// It and a queued frame cancelled out; both are gone, and the client needs neither.
    Cancelled,
    /// The queue is full, so the frame was dropped. Only cursors may be lost like this.
    Dropped,
    /// The queue is full. All queued frames of the seat are gone; the caller has to end the seat.
    Overflow,
    /// The queue is full. All queued changes of the seat are gone; replay them from this version on.
    Behind(Version),
    /// The session is closing, its connection is gone, or the seat is not open.
    Closed,
}

impl PushOutcome {
    /// Returns whether the queue was full.
    pub(super) fn is_refusal(self) -> bool {
        matches!(self, Self::Dropped | Self::Overflow | Self::Behind(_))
    }
}

/// The result of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Pushed {
    /// What happened to the frame.
    pub outcome: PushOutcome,
    /// Whether the queue has reached its bound with this push, which is worth a warning. It is reported again only
    /// after the socket has drained the queue to half of the bound. One large frame is no reason, also not among small
    /// ones: its reader is not slow yet.
    pub reached_limit: bool,
}

impl Pushed {
    /// Returns the result for a frame that is not accepted any more.
    pub(super) const fn closed() -> Self {
        Self { outcome: PushOutcome::Closed, reached_limit: false }
    }
}
