//! Subscribers that are behind: what they wait for, and how they catch up.

use std::sync::Arc;

use super::{Audiences, Listener, frame_of};
use crate::{
    domain::{Change, Event, Topic, Version},
    metrics::BehindCause,
    outbox::{PushOutcome, SeatId},
    room::{
        delivery::render::{RenderError, SharedEvent},
        members::seat::Seat,
    },
};

/// The result of sending a subscriber what it missed.
#[derive(Debug)]
pub(in crate::room) enum ReplayOutcome {
    /// Everything given was queued.
    All,
    /// The outbox has no capacity for more; the rest is kept for later.
    Full,
    /// The seat has ended.
    Gone,
    /// A change could not be rendered.
    Broken(RenderError),
}

/// What a subscriber that is behind waits for.
pub(in crate::room) struct Backlog {
    /// The change that it must receive next.
    pub(in crate::room) next: Version,
    /// Whether its selection has the whole text.
    pub(in crate::room) wants_content: bool,
    /// How often the subscribers have begun again.
    pub(in crate::room) restarts: u32,
    pub(in crate::room) seat: Arc<Seat>,
}

impl Listener {
    /// Whether a replayed change is sent. A replay that the client asked for holds everything; otherwise the session's own
    /// changes are left out.
    fn wants(&self, change: &Change) -> bool {
        change.version <= self.replay_up_to || self.is_foreign(change.origin())
    }
}

impl Audiences {
    /// Returns what a subscriber waits for. None if it is not behind, or gone.
    pub(in crate::room) fn backlog(&self, seat: SeatId) -> Option<Backlog> {
        let (key, _counted) = self.seats.get(&seat)?;
        let audience = self.audiences.get(key)?;
        let listener = audience.listeners.get(audience.position(seat)?)?;
        listener.progress.is_behind().then(|| Backlog {
            next: listener.progress.next(),
            wants_content: audience.renderer.wants_content(),
            restarts: self.restarts,
            seat: Arc::clone(&listener.seat),
        })
    }

    /// Removes the changes that were read for a subscriber and not sent. None if the log has to be read.
    pub(in crate::room) fn take_unsent(&mut self, seat: SeatId) -> Option<Vec<Arc<Change>>> {
        let (_, listener) = self.find_mut(seat)?;
        let unsent = std::mem::take(&mut listener.unsent);
        (unsent.first()?.version == listener.progress.next()).then_some(unsent)
    }

    /// Puts every live subscriber of changes behind, because the log no longer has what follows `head`.
    pub(in crate::room) fn fall_behind(&mut self, head: Version) -> Vec<SeatId> {
        let mut behind = Vec::new();
        let audiences = self.audiences.iter_mut().filter(|(key, _)| key.topic == Topic::Changes);
        for listener in audiences.flat_map(|(_, audience)| &mut audience.listeners) {
            if listener.progress.is_live() {
                let next = listener.progress.next().max(head.next());
                let Listener { seat, progress, .. } = listener;
                progress.fall_behind(next, BehindCause::LogGap, seat, &self.metrics);
                behind.push(seat.id());
            }
        }
        behind
    }

    /// Has every subscriber of changes begin again from the whole text, because the database has lost changes that they may
    /// have received. Returns those that were live.
    pub(in crate::room) fn restart(&mut self) -> Vec<SeatId> {
        self.restarts += 1;
        let mut restarted = Vec::new();
        let audiences = self.audiences.iter_mut().filter(|(key, _)| key.topic == Topic::Changes);
        for listener in audiences.flat_map(|(_, audience)| &mut audience.listeners) {
            if listener.progress.is_live() {
                restarted.push(listener.seat.id());
            }
            let Listener { seat, progress, replay_up_to, unsent, .. } = listener;
            (*replay_up_to, *unsent) = (Version::default(), Vec::new());
            seat.outbox().remove_changes(seat.id());
            // The log has no such version, so the whole text is sent.
            progress.fall_behind(Version::default(), BehindCause::LostChanges, seat, &self.metrics);
        }
        restarted
    }

    /// Sends a subscriber that is behind these changes, which begin with the one that it must receive next. `with_own` includes
    /// its session's own changes.
    pub(in crate::room) fn replay(
        &mut self,
        seat: SeatId,
        changes: &[Arc<Change>],
        with_own: bool,
    ) -> ReplayOutcome {
        let Some((renderer, listener)) = self.find_mut(seat) else { return ReplayOutcome::Gone };
        for (index, change) in changes.iter().enumerate() {
            if with_own || listener.wants(change) {
                // The other half of the outbox is left to replies, presence and cursors.
                if !listener.seat.outbox().is_low() {
                    listener.unsent = changes.get(index..).unwrap_or_default().to_vec();
                    return ReplayOutcome::Full;
                }
                let event = SharedEvent::new(Event::Changed(Arc::clone(change)));
                let rendered = match renderer.render(&event) {
                    Ok(rendered) => rendered,
                    Err(error) => return ReplayOutcome::Broken(error),
                };
                let frame = renderer.frame(&rendered, &listener.operation);
                match listener
                    .seat
                    .outbox()
                    .send(listener.seat.id(), frame_of(event.event(), frame))
                    .outcome
                {
                    PushOutcome::Behind(version) => {
                        listener.progress.advance(version);
                        return ReplayOutcome::Full;
                    }
                    PushOutcome::Closed => return ReplayOutcome::Gone,
                    PushOutcome::Queued
                    | PushOutcome::Replaced
                    | PushOutcome::Cancelled
                    | PushOutcome::Dropped
                    | PushOutcome::Overflow => {}
                }
            }
            listener.progress.advance(change.version.next());
        }
        ReplayOutcome::All
    }

    /// Makes a subscriber live: it has received everything up to the head.
    pub(in crate::room) fn mark_live(&mut self, seat: SeatId) {
        if let Some((_, listener)) = self.find_mut(seat)
            && listener.progress.is_behind()
        {
            let next = listener.progress.next();
            listener.progress.mark_live(next, &listener.seat);
        }
    }
}
