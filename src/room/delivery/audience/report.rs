//! What a broadcast did to subscribers.

use super::large_changes::AudienceRendering;
use crate::{
    metrics::{BehindCause, Metrics},
    outbox::{PushOutcome, SeatId},
    room::{
        delivery::{progress::Progress, render::RenderError},
        members::seat::Seat,
    },
};

/// The result of a broadcast.
#[derive(Debug, Default)]
pub(in crate::room) struct BroadcastReport {
    /// The number of frames queued.
    pub(in crate::room) deliveries: usize,
    /// The number of cursors dropped because an outbox was full.
    pub(in crate::room) dropped: u64,
    /// The seats that fell behind.
    pub(in crate::room) behind: Vec<SeatId>,
    /// The seats of Yjs editors that fell behind.
    pub(in crate::room) behind_editors: Vec<SeatId>,
    /// The seats whose outbox could not hold what they must not miss.
    pub(in crate::room) overflowed: Vec<SeatId>,
    /// The seats of audiences whose renderer failed.
    pub(in crate::room) broken: Vec<(SeatId, RenderError)>,
    /// Large changes that are to be rendered.
    pub(in crate::room) renderings: Vec<AudienceRendering>,
}

impl BroadcastReport {
    /// Notes what happened to the frame of a subscriber.
    pub(super) fn add(
        &mut self,
        outcome: PushOutcome,
        seat: &Seat,
        progress: &mut Progress,
        metrics: &Metrics,
    ) {
        match outcome {
            PushOutcome::Queued | PushOutcome::Replaced => self.deliveries += 1,
            PushOutcome::Dropped => self.dropped += 1,
            PushOutcome::Overflow => self.overflowed.push(seat.id()),
            PushOutcome::Behind(version) => {
                self.behind.push(seat.id());
                progress.fall_behind(version, BehindCause::OutboxFull, seat, metrics);
            }
            PushOutcome::Cancelled | PushOutcome::Closed => {}
        }
    }
}
