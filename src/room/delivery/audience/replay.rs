//! Subscribers that are behind: what they wait for, and how they catch up.

use std::sync::Arc;

use bytes::Bytes;

use super::{Audiences, FoundListener, Listener, frame_of_change};
use crate::{
    domain::{Change, Event, Topic, Version},
    editing::loader::MAX_INLINE_BYTES,
    metrics::BehindCause,
    outbox::{OutboxFrame, PushOutcome, SeatId},
    room::{
        delivery::{
            large_events::LargeEvent,
            render::{ChangeBytes, LargeFields, RenderError, SharedEvent},
        },
        members::seat::Seat,
    },
};

/// The result of sending a subscriber what it missed.
pub(in crate::room) enum ReplayOutcome {
    /// Everything given was queued.
    All,
    /// The outbox has no capacity for more; the rest is kept for later.
    Full,
    /// The next change is large and has to be rendered on another thread; it and the rest are kept for later.
    Large(LargeEvent),
    /// The seat has ended.
    Gone,
    /// A change could not be rendered.
    Broken(RenderError),
}

/// What a subscriber that is behind waits for.
pub(in crate::room) struct Backlog {
    /// The change that it must receive next.
    pub(in crate::room) next: Version,
    /// The large fields of its selection.
    pub(in crate::room) large_fields: LargeFields,
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

    /// Queues a change that the subscriber misses. Returns why no more can follow, if so.
    fn send_missed(&mut self, change: &Change, frame: OutboxFrame) -> Option<ReplayOutcome> {
        let seat = &self.seat;
        match seat.outbox().send(seat.id(), frame_of_change(change, frame)).outcome {
            PushOutcome::Behind(version) => {
                self.progress.advance(version);
                Some(ReplayOutcome::Full)
            }
            PushOutcome::Closed => Some(ReplayOutcome::Gone),
            PushOutcome::Queued
            | PushOutcome::Replaced
            | PushOutcome::Cancelled
            | PushOutcome::Dropped
            | PushOutcome::Overflow => None,
        }
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
            large_fields: audience.large_fields,
            restarts: self.restarts,
            seat: Arc::clone(&listener.seat),
        })
    }

    /// Removes the changes that were read for a subscriber and not sent. None if the log has to be read.
    pub(in crate::room) fn take_unsent(&mut self, seat: SeatId) -> Option<Vec<Arc<Change>>> {
        let FoundListener { listener, .. } = self.find_mut(seat)?;
        let unsent = std::mem::take(&mut listener.unsent);
        (unsent.first()?.version == listener.progress.next()).then_some(unsent)
    }

    /// Puts every live subscriber of changes behind, because the log no longer has what follows `head`.
    pub(in crate::room) fn fall_behind(&mut self, head: Version) -> Vec<SeatId> {
        let audiences = self.audiences.iter_mut().filter(|(key, _)| key.topic == Topic::Changes);
        audiences
            .flat_map(|(_, audience)| {
                audience.fall_behind(head.next(), BehindCause::LogGap, &self.metrics)
            })
            .collect()
    }

    /// Has every subscriber of changes begin again from the whole text, because the database has lost changes that they may
    /// have received. Returns those that were live.
    pub(in crate::room) fn restart(&mut self) -> Vec<SeatId> {
        self.restarts += 1;
        let mut restarted = Vec::new();
        let audiences = self.audiences.iter_mut().filter(|(key, _)| key.topic == Topic::Changes);
        let listeners = audiences.flat_map(|(_, audience)| {
            // The change may be lost.
            audience.rendering = None;
            &mut audience.listeners
        });
        for listener in listeners {
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
        let Some(FoundListener { renderer, large_fields, listener }) = self.find_mut(seat) else {
            return ReplayOutcome::Gone;
        };
        for (index, change) in changes.iter().enumerate() {
            if with_own || listener.wants(change) {
                // The other half of the outbox is left to replies, presence and cursors.
                if !listener.seat.outbox().is_low() {
                    listener.unsent = changes.get(index..).unwrap_or_default().to_vec();
                    return ReplayOutcome::Full;
                }
                let event = SharedEvent::new(Event::Changed(Arc::clone(change)));
                let bytes = ChangeBytes::of(change).selected(large_fields);
                if bytes > MAX_INLINE_BYTES {
                    listener.unsent = changes.get(index..).unwrap_or_default().to_vec();
                    let renderer = renderer.another();
                    return ReplayOutcome::Large(LargeEvent { renderer, event, bytes });
                }
                let rendered = match renderer.render(&event) {
                    Ok(rendered) => rendered,
                    Err(error) => return ReplayOutcome::Broken(error),
                };
                let frame = renderer.frame(&rendered, &listener.operation).into();
                if let Some(stopped) = listener.send_missed(change, frame) {
                    return stopped;
                }
            }
            listener.progress.advance(change.version.next());
        }
        ReplayOutcome::All
    }

    /// Sends a subscriber that is behind the large change that was rendered for it, unless it begins again meanwhile. `restarts` is
    /// how often the subscribers had begun again before.
    pub(in crate::room) fn replay_rendered(
        &mut self,
        seat: SeatId,
        change: &Change,
        rendered: Bytes,
        restarts: u32,
    ) -> ReplayOutcome {
        let is_current = self.restarts == restarts;
        let Some(FoundListener { renderer, listener, .. }) = self.find_mut(seat) else {
            return ReplayOutcome::Gone;
        };
        if is_current {
            let frame = renderer.frame_around(rendered, &listener.operation);
            if let Some(stopped) = listener.send_missed(change, frame) {
                return stopped;
            }
            let unsent = &mut listener.unsent;
            if unsent.first().is_some_and(|first| first.version == change.version) {
                unsent.remove(0);
            }
            listener.progress.advance(change.version.next());
        }
        ReplayOutcome::All
    }

    /// Makes a subscriber live: it has received everything up to the head.
    pub(in crate::room) fn mark_live(&mut self, seat: SeatId) {
        if let Some(FoundListener { listener, .. }) = self.find_mut(seat)
            && listener.progress.is_behind()
        {
            let next = listener.progress.next();
            listener.progress.mark_live(next, &listener.seat);
        }
    }
}
