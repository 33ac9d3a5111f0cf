//! The subscribers of a room who want the same bytes.
//!
//! A selection is run once per event and audience, not once per subscriber: the event is rendered once, each seat
//! adds only the name that its client gave the subscription, and the frame goes into the outbox of every seat but
//! the author's. Event types depend on nothing about the viewer, so nothing leaks; admission is per viewer.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use super::{MakeRenderer, Place, Render, RenderError, SeatEnd};
use crate::{
    domain::{Event, Origin, Topic},
    metrics::{Counted, Metrics},
    outbox::{Outcome, Pushed, SeatId},
    wire::graphql_ws::OperationId,
};

/// What two subscriptions must share to be given the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AudienceKey {
    /// What they listen to.
    pub topic: Topic,
    /// The text of the operation.
    pub operation: Arc<str>,
    /// Which operation of the text, if it holds several.
    pub name: Option<Arc<str>>,
    /// The variables, as canonical JSON.
    pub variables: Arc<str>,
}

struct Audience {
    renderer: Box<dyn Render>,
    places: Vec<Place>,
}

/// How telling went.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Frames that went into an outbox.
    pub(super) deliveries: usize,
    /// Cursors that found a full outbox and were dropped.
    pub(super) dropped: u64,
    /// Outboxes that reached their bound for the first time.
    pub(super) reached_bound: u64,
    /// Seats whose outbox could not hold what they must not miss.
    pub(super) overflowed: Vec<SeatId>,
    /// Seats of audiences whose renderer failed, with the failure.
    pub(super) broken: Vec<(SeatId, RenderError)>,
}

/// All audiences of a room.
pub(super) struct Audiences {
    audiences: HashMap<AudienceKey, Audience>,
    /// Where each seat is; counted as a subscription for as long as it stands here.
    seats: HashMap<SeatId, (AudienceKey, Counted)>,
    metrics: Metrics,
}

impl Audiences {
    /// Nobody listens yet.
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { audiences: HashMap::new(), seats: HashMap::new(), metrics }
    }

    /// Seats somebody. The renderer is made only if the audience is new.
    pub(super) fn seat(&mut self, key: AudienceKey, place: Place, make: MakeRenderer) {
        let counted = self.metrics.subscription_opened(key.topic);
        self.seats.insert(place.seat.id, (key.clone(), counted));
        self.audiences
            .entry(key)
            .or_insert_with(|| Audience { renderer: make(), places: Vec::new() })
            .places
            .push(place);
    }

    /// Removes a seat; an audience ends with its last one.
    pub(super) fn remove(&mut self, seat: SeatId) {
        self.end(seat, None);
    }

    /// Takes a seat away: waiting frames go, and the client is told why.
    pub(super) fn evict(&mut self, seat: SeatId, why: SeatEnd) {
        self.end(seat, Some(why));
    }

    fn end(&mut self, seat: SeatId, why: Option<SeatEnd>) {
        let Some((key, _counted)) = self.seats.remove(&seat) else { return };
        let Some(audience) = self.audiences.get_mut(&key) else { return };
        if let Some(index) = audience.places.iter().position(|place| place.seat.id == seat) {
            let place = audience.places.swap_remove(index);
            place.seat.end();
            match why {
                // What the document's end left waiting is still wanted; the last frame comes behind it.
                Some(SeatEnd::Deleted) => {
                    let last = audience.renderer.ending(&place.tag, SeatEnd::Deleted);
                    place.outbox.finish_seat(seat, last);
                }
                Some(why) => {
                    place.outbox.end_seat(seat, Some(audience.renderer.ending(&place.tag, why)));
                }
                None => place.outbox.end_seat(seat, None),
            }
        }
        if audience.places.is_empty() {
            self.audiences.remove(&key);
        }
    }

    /// Ends every seat; the room is ending unexpectedly.
    pub(super) fn evict_all(&mut self, why: SeatEnd) {
        let seats: Vec<_> = self.seats.keys().copied().collect();
        for seat in seats {
            self.evict(seat, why);
        }
    }

    /// Tells everybody who listens to the event's topic, but not its origin.
    pub(super) fn tell(&mut self, origin: Origin, event: &Event) -> Told {
        let mut told = Told::default();
        let topic = event.topic();
        for (key, audience) in &mut self.audiences {
            if key.topic == topic {
                audience.tell(origin, event, &mut told);
            }
        }
        told
    }
}

impl Audience {
    fn tell(&mut self, origin: Origin, event: &Event, told: &mut Told) {
        let hears = |place: &&Place| !origin.is(place.seat.user.id, place.seat.session);
        if !self.places.iter().any(|place| hears(&place)) {
            return;
        }
        let rendered = match self.renderer.render(event) {
            Ok(rendered) => rendered,
            Err(error) => {
                let seats = self.places.iter().map(|place| (place.seat.id, error.clone()));
                told.broken.extend(seats);
                return;
            }
        };
        // Clients tend to name a subscription alike, so the last frame often fits the next seat too.
        let mut last: Option<(&OperationId, Bytes)> = None;
        for place in self.places.iter().filter(hears) {
            let frame = match &last {
                Some((tag, frame)) if *tag == &place.tag => frame.clone(),
                _ => {
                    let frame = self.renderer.frame(&rendered, &place.tag);
                    last = Some((&place.tag, frame.clone()));
                    frame
                }
            };
            let pushed = push(place, event, frame);
            told.reached_bound += u64::from(pushed.reached_bound);
            match pushed.outcome {
                Outcome::Queued | Outcome::Replaced => told.deliveries += 1,
                Outcome::Dropped => told.dropped += 1,
                Outcome::Overflow => told.overflowed.push(place.seat.id),
                Outcome::Cancelled | Outcome::Closed => {}
            }
        }
    }
}

fn push(place: &Place, event: &Event, frame: Bytes) -> Pushed {
    let seat = place.seat.id;
    match event {
        Event::Changed(_) => place.outbox.change(seat, frame),
        Event::CursorMoved(moved) => place.outbox.cursor(seat, moved.session, frame),
        Event::PresenceChanged(change) => {
            place.outbox.presence(seat, change.presence.session, change.kind, frame)
        }
    }
}
