//! The subscribers of a room who want the same bytes.
//!
//! A selection is run once per event and audience, not once per subscriber: the event is rendered once, each seat
//! adds only the name that its client gave the subscription, and the frame goes into the outbox of every seat but
//! the author's. Event types depend on nothing about the viewer, so nothing leaks; admission is per viewer.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

use crate::{
    domain::{Change, ChangeKind, Event, Origin, Topic, Version},
    metrics::{Counted, Metrics},
    outbox::{PushOutcome, Pushed, SeatId},
    room::{MakeRenderer, Place, Render, RenderError, SeatEnd},
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
    /// The variables, as canonical JSON, but for where to begin.
    pub variables: Arc<str>,
}

struct Audience {
    renderer: Box<dyn Render>,
    places: Vec<Sitting>,
}

/// How a seat gets its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It has everything, and is told of what happens.
    Live,
    /// It is sent what it misses, as its outbox has room.
    Behind,
}

struct Sitting {
    place: Place,
    /// What its client called the subscription: its frames carry it.
    tag: OperationId,
    progress: Progress,
    /// The change that it must get next; it takes none before it. A text to start again from may be newer than what
    /// the room has told of.
    next: Version,
    /// Up to this version it is told of everything, its own changes too: it asked for a replay.
    asked_up_to: Version,
    /// What was read for it and did not fit into its outbox yet; it begins with `next`.
    rest: Vec<Arc<Change>>,
}

impl Sitting {
    fn hears(&self, origin: Option<Origin>) -> bool {
        let seat = &self.place.seat;
        !origin.is_some_and(|origin| origin.is(seat.user.id, seat.session))
    }

    /// Whether it is told of an event in its turn.
    fn is_due(&self, event: &Event) -> bool {
        match event {
            // The end of a document concerns those who are behind as well: nothing can be sent again after it.
            Event::Changed(_) if is_lasting(event) => true,
            Event::Changed(change) => {
                self.progress == Progress::Live && change.version >= self.next
            }
            Event::PresenceChanged(_) | Event::CursorMoved(_) => true,
        }
    }

    /// A replay that was asked for holds everything, the rest leaves out what the seat's session did itself.
    fn wants(&self, change: &Change) -> bool {
        change.version <= self.asked_up_to || self.hears(change.origin())
    }
}

/// How sending a seat what it missed went.
#[derive(Debug)]
pub(in crate::room) enum ReplayOutcome {
    /// It has everything that was given.
    All,
    /// Its outbox has as much as it should; the rest has to wait.
    Full,
    /// The seat has ended.
    Gone,
    /// It could not be rendered.
    Broken(RenderError),
}

/// How telling went.
#[derive(Debug, Default)]
pub(in crate::room) struct BroadcastReport {
    /// Frames that went into an outbox.
    pub(in crate::room) deliveries: usize,
    /// Cursors that found a full outbox and were dropped.
    pub(in crate::room) dropped: u64,
    /// Seats that were live and have to be sent changes again later.
    pub(in crate::room) behind: Vec<SeatId>,
    /// The same of editors.
    pub(in crate::room) behind_editors: Vec<SeatId>,
    /// Seats whose outbox could not hold what they must not miss.
    pub(in crate::room) overflowed: Vec<SeatId>,
    /// Seats of audiences whose renderer failed, with the failure.
    pub(in crate::room) broken: Vec<(SeatId, RenderError)>,
}

/// All audiences of a room.
pub(in crate::room) struct Audiences {
    audiences: HashMap<AudienceKey, Audience>,
    /// Where each seat is; counted as a subscription for as long as it stands here.
    seats: HashMap<SeatId, (AudienceKey, Counted)>,
    metrics: Metrics,
}

impl Audiences {
    /// Nobody listens yet.
    pub(in crate::room) fn new(metrics: Metrics) -> Self {
        Self { audiences: HashMap::new(), seats: HashMap::new(), metrics }
    }

    /// Seats somebody who has everything up to a version; up to `head` a replay is due. The renderer is made only if
    /// the audience is new.
    pub(in crate::room) fn seat(
        &mut self,
        key: AudienceKey,
        place: Place,
        since: Option<Version>,
        head: Version,
        make: MakeRenderer,
    ) {
        let Some(tag) = place.tag.clone() else {
            // Only Yjs editors have none, and they sit in no audience.
            return tracing::error!("a subscription without a tag was seated");
        };
        let (progress, next, asked_up_to) = match since {
            Some(since) if since < head => (Progress::Behind, since.next(), head),
            Some(since) => (Progress::Live, since.next(), Version::default()),
            None => (Progress::Live, head.next(), Version::default()),
        };
        if progress == Progress::Behind {
            self.metrics.seat_behind(true);
        }
        let place = Sitting { place, tag, progress, next, asked_up_to, rest: Vec::new() };
        let id = place.place.seat.id;
        let counted = self.metrics.subscription_opened(key.topic);
        self.seats.insert(id, (key.clone(), counted));
        self.audiences
            .entry(key)
            .or_insert_with(|| Audience { renderer: make(), places: Vec::new() })
            .places
            .push(place);
    }

    /// Removes a seat; an audience ends with its last one.
    pub(in crate::room) fn remove(&mut self, seat: SeatId) {
        self.end(seat, None);
    }

    /// Takes a seat away: waiting frames go, and the client is told why.
    pub(in crate::room) fn evict(&mut self, seat: SeatId, why: SeatEnd) {
        self.end(seat, Some(why));
    }

    fn end(&mut self, seat: SeatId, why: Option<SeatEnd>) {
        let Some((key, _counted)) = self.seats.remove(&seat) else { return };
        let Some(audience) = self.audiences.get_mut(&key) else { return };
        if let Some(index) = audience.position(seat) {
            let Sitting { place, tag, progress, .. } = audience.places.swap_remove(index);
            if progress == Progress::Behind {
                self.metrics.seat_behind(false);
            }
            place.seat.end();
            match why {
                // What the document's end left waiting is still wanted; the last frame comes behind it.
                Some(SeatEnd::Deleted) => {
                    let last = audience.renderer.ending(&tag, SeatEnd::Deleted);
                    place.outbox.finish_seat(seat, last);
                }
                Some(why) => {
                    place.outbox.end_seat(seat, Some(audience.renderer.ending(&tag, why)));
                }
                None => place.outbox.end_seat(seat, None),
            }
        }
        if audience.places.is_empty() {
            self.audiences.remove(&key);
        }
    }

    /// Ends every seat; the room is ending unexpectedly.
    pub(in crate::room) fn evict_all(&mut self, why: SeatEnd) {
        let seats: Vec<_> = self.seats.keys().copied().collect();
        for seat in seats {
            self.evict(seat, why);
        }
    }

    /// Tells everybody who listens to the event's topic, but not its origin.
    pub(in crate::room) fn tell(&mut self, origin: Origin, event: &Event) -> BroadcastReport {
        let mut told = BroadcastReport::default();
        let topic = event.topic();
        for (key, audience) in &mut self.audiences {
            if key.topic == topic {
                audience.tell(origin, event, &mut told);
            }
        }
        for _seat in &told.behind {
            self.metrics.seat_behind(true);
        }
        told
    }

    /// The next version that a seat has to be sent, whether with the whole text, and where its frames go; none if the
    /// seat has ended or is live.
    pub(in crate::room) fn behind(&self, seat: SeatId) -> Option<(Version, bool, Place)> {
        let (key, _counted) = self.seats.get(&seat)?;
        let audience = self.audiences.get(key)?;
        let sitting = audience.places.get(audience.position(seat)?)?;
        match sitting.progress {
            Progress::Live => None,
            Progress::Behind => {
                let wants_content = audience.renderer.wants_content();
                Some((sitting.next, wants_content, sitting.place.clone()))
            }
        }
    }

    /// What was read for a seat and is still to be sent; none when the log has to be read.
    pub(in crate::room) fn take_rest(&mut self, seat: SeatId) -> Option<Vec<Arc<Change>>> {
        let (key, _counted) = self.seats.get(&seat)?;
        let audience = self.audiences.get_mut(key)?;
        let index = audience.position(seat)?;
        let sitting = audience.places.get_mut(index)?;
        let rest = std::mem::take(&mut sitting.rest);
        (rest.first()?.version == sitting.next).then_some(rest)
    }

    /// Everybody who was told of every change up to `told` is behind now.
    pub(in crate::room) fn all_behind(&mut self, told: Version) -> Vec<SeatId> {
        let mut behind = Vec::new();
        for (key, audience) in &mut self.audiences {
            for sitting in &mut audience.places {
                if key.topic == Topic::Changes && sitting.progress == Progress::Live {
                    sitting.progress = Progress::Behind;
                    sitting.next = sitting.next.max(told.next());
                    self.metrics.seat_behind(true);
                    behind.push(sitting.place.seat.id);
                }
            }
        }
        behind
    }

    /// Sends a seat that is behind these changes, which begin with the one that it waits for.
    pub(in crate::room) fn replay(
        &mut self,
        seat: SeatId,
        changes: &[Arc<Change>],
    ) -> ReplayOutcome {
        let Some((key, _counted)) = self.seats.get(&seat) else { return ReplayOutcome::Gone };
        let Some(audience) = self.audiences.get_mut(key) else { return ReplayOutcome::Gone };
        let Some(index) = audience.position(seat) else { return ReplayOutcome::Gone };
        let Audience { renderer, places } = audience;
        let Some(sitting) = places.get_mut(index) else { return ReplayOutcome::Gone };
        for (index, change) in changes.iter().enumerate() {
            if sitting.wants(change) {
                // The other half is for what cannot wait: answers, cursors, who comes and goes.
                if !sitting.place.outbox.is_low() {
                    sitting.rest = changes.get(index..).unwrap_or_default().to_vec();
                    return ReplayOutcome::Full;
                }
                let event = Event::Changed(Arc::clone(change));
                let rendered = match renderer.render(&event) {
                    Ok(rendered) => rendered,
                    Err(error) => return ReplayOutcome::Broken(error),
                };
                let frame = renderer.frame(&rendered, &sitting.tag);
                match push(&sitting.place, &event, frame).outcome {
                    PushOutcome::Behind(version) => {
                        sitting.next = version;
                        return ReplayOutcome::Full;
                    }
                    PushOutcome::Closed => return ReplayOutcome::Gone,
                    _ => {}
                }
            }
            sitting.next = change.version.next();
        }
        ReplayOutcome::All
    }

    /// A seat that was behind has everything.
    pub(in crate::room) fn caught_up(&mut self, seat: SeatId) {
        let Some((key, _counted)) = self.seats.get(&seat) else { return };
        let Some(audience) = self.audiences.get_mut(key) else { return };
        if let Some(index) = audience.position(seat)
            && let Some(sitting) = audience.places.get_mut(index)
            && sitting.progress == Progress::Behind
        {
            sitting.progress = Progress::Live;
            self.metrics.seat_behind(false);
        }
    }
}

impl Audience {
    fn position(&self, seat: SeatId) -> Option<usize> {
        self.places.iter().position(|sitting| sitting.place.seat.id == seat)
    }

    fn tell(&mut self, origin: Origin, event: &Event, told: &mut BroadcastReport) {
        let hears = |sitting: &Sitting| sitting.hears(Some(origin)) && sitting.is_due(event);
        if !self.places.iter().any(hears) {
            return;
        }
        let rendered = match self.renderer.render(event) {
            Ok(rendered) => rendered,
            Err(error) => {
                let seats =
                    self.places.iter().map(|sitting| (sitting.place.seat.id, error.clone()));
                told.broken.extend(seats);
                return;
            }
        };
        // Clients tend to name a subscription alike, so the last frame often fits the next seat too.
        let mut last: Option<(OperationId, Bytes)> = None;
        for sitting in self.places.iter_mut().filter(|sitting| hears(sitting)) {
            let place = &sitting.place;
            let frame = match &last {
                Some((tag, frame)) if *tag == sitting.tag => frame.clone(),
                _ => {
                    let frame = self.renderer.frame(&rendered, &sitting.tag);
                    last = Some((sitting.tag.clone(), frame.clone()));
                    frame
                }
            };
            let pushed = push(place, event, frame);
            match pushed.outcome {
                PushOutcome::Queued | PushOutcome::Replaced => told.deliveries += 1,
                PushOutcome::Dropped => told.dropped += 1,
                PushOutcome::Overflow => told.overflowed.push(place.seat.id),
                PushOutcome::Behind(version) => {
                    told.behind.push(place.seat.id);
                    (sitting.progress, sitting.next) = (Progress::Behind, version);
                }
                PushOutcome::Cancelled | PushOutcome::Closed => {}
            }
        }
    }
}

/// Whether an event cannot be sent again from the log.
fn is_lasting(event: &Event) -> bool {
    matches!(event, Event::Changed(change) if matches!(change.kind, ChangeKind::Deleted | ChangeKind::Resync))
}

fn push(place: &Place, event: &Event, frame: Bytes) -> Pushed {
    let seat = place.seat.id;
    match event {
        Event::Changed(_) if is_lasting(event) => place.outbox.lasting(seat, frame),
        Event::Changed(change) => place.outbox.change(seat, change.version, frame),
        Event::CursorMoved(moved) => place.outbox.cursor(seat, moved.session, frame),
        Event::PresenceChanged(change) => {
            place.outbox.presence(seat, change.presence.session, change.kind, frame)
        }
    }
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
