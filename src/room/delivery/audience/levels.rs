//! Sends subscribers the access levels of their users.

use tokio::time::Instant;

use super::{Audiences, BroadcastReport, FoundListener, SharedEvent, frame_of};
use crate::{
    domain::{Event, Origin, UserId},
    outbox::SeatId,
};

impl Audiences {
    /// Sends a level to all subscribers of its user. None of them has caused it.
    pub(in crate::room) fn broadcast_level(&mut self, event: &Event) -> BroadcastReport {
        let nobody = Origin { user: UserId::new(), session: None };
        self.broadcast(nobody, event, Instant::now())
    }

    /// Sends a level to one subscriber.
    pub(in crate::room) fn send_level(&mut self, seat: SeatId, event: &Event) -> BroadcastReport {
        let mut report = BroadcastReport::default();
        let metrics = self.metrics.clone();
        let Some(FoundListener { renderer, listener, .. }) = self.find_mut(seat) else {
            return report;
        };
        match renderer.render(&SharedEvent::new(event.clone())) {
            Ok(rendered) => {
                let frame = renderer.frame(&rendered, &listener.operation);
                let sent = listener.seat.outbox().send(seat, frame_of(event, frame));
                report.add(sent.outcome, &listener.seat, &mut listener.progress, &metrics);
            }
            Err(error) => report.broken.push((seat, error)),
        }
        report
    }
}
