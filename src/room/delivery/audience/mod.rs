//! The GraphQL subscribers of a room who receive the same bytes.
//!
//! A selection is run once per event and audience, not once per subscriber: the event is rendered once, each subscriber adds
//! only its client's id of the subscription, and the frame goes into every outbox but the author's. Event types depend on
//! nothing about the viewer, so nothing leaks; admission is per viewer.

mod large_changes;
mod levels;
mod replay;
mod report;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::time::Instant;

use self::large_changes::Rendering;
pub(in crate::room) use self::{
    large_changes::AudienceRendering,
    replay::{Backlog, ReplayOutcome},
    report::BroadcastReport,
};
use super::{
    progress::Progress,
    render::{ChangeBytes, LargeFields, MakeRenderer, Render, RenderError, SharedEvent},
};
use crate::{
    domain::{Change, ChangeKind, Event, Origin, Topic, UserId, Version},
    metrics::{BehindCause, GaugeGuard, Metrics},
    outbox::{OutboxFrame, SeatFrame, SeatId},
    room::{
        RoomError,
        members::seat::{Seat, SeatEnd},
    },
    wire::graphql_ws::OperationId,
};

/// The most audiences of one user for each topic. The tabs of one page share one; a few more serve several versions of it.
const MAX_AUDIENCES: usize = 8;

/// What subscriptions must have in common to receive the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AudienceKey {
    /// The topic.
    pub topic: Topic,
    /// The text of the operation.
    pub operation: Arc<str>,
    /// The name of the operation, if the text holds several.
    pub name: Option<Arc<str>>,
    /// The variables as canonical JSON, without the version at which a replay begins.
    pub variables: Arc<str>,
}

struct Audience {
    renderer: Box<dyn Render>,
    large_fields: LargeFields,
    listeners: Vec<Listener>,
    /// The large change that is rendered on another thread, if any.
    rendering: Option<Box<Rendering>>,
}

/// An event that is broadcast.
#[derive(Clone)]
struct Broadcast {
    origin: Origin,
    event: SharedEvent,
    /// When its cause was accepted.
    accepted: Instant,
    /// Of a change that can be replayed.
    bytes: Option<ChangeBytes>,
}

impl Broadcast {
    fn new(origin: Origin, event: Event, accepted: Instant) -> Self {
        let bytes = match &event {
            Event::Changed(change) if !is_lasting(change.kind) => Some(ChangeBytes::of(change)),
            Event::Changed(_)
            | Event::PresenceChanged(_)
            | Event::CursorMoved(_)
            | Event::LevelRead(_) => None,
        };
        Self { origin, event: SharedEvent::new(event), accepted, bytes }
    }
}

/// One subscriber of an audience.
struct Listener {
    seat: Arc<Seat>,
    /// The client's id of the subscription.
    operation: OperationId,
    progress: Progress,
    /// Up to this version the subscriber receives everything, its own changes too: it asked for a replay.
    replay_up_to: Version,
    /// Changes read for the subscriber that did not fit into its outbox. They begin with the next one that it must receive.
    unsent: Vec<Arc<Change>>,
}

impl Listener {
    /// Whether the subscriber is not the origin of the event.
    fn is_foreign(&self, origin: Option<Origin>) -> bool {
        !origin.is_some_and(|origin| origin.is(self.seat.user().id, self.seat.session()))
    }

    /// Whether a broadcast event is sent to the subscriber now.
    fn is_recipient(&self, Broadcast { origin, event, .. }: &Broadcast) -> bool {
        self.is_foreign(Some(*origin))
            && match event.event() {
                // The end of a document also concerns subscribers that are behind: nothing can be replayed after it.
                Event::Changed(change) if is_lasting(change.kind) => true,
                Event::Changed(change) => self.progress.is_due(change.version),
                Event::PresenceChanged(_) | Event::CursorMoved(_) => true,
                Event::LevelRead(level) => level.user == self.seat.user().id,
            }
    }
}

/// A listener with what its audience has.
struct FoundListener<'a> {
    renderer: &'a mut dyn Render,
    large_fields: LargeFields,
    listener: &'a mut Listener,
}

/// All audiences of a room.
pub(in crate::room) struct Audiences {
    audiences: HashMap<AudienceKey, Audience>,
    /// The audience of each seat. The guard counts the subscription.
    seats: HashMap<SeatId, (AudienceKey, GaugeGuard)>,
    /// How often the database has lost changes, so that every subscriber began again.
    restarts: u32,
    metrics: Metrics,
}

impl Audiences {
    /// Returns no audiences.
    pub(in crate::room) fn new(metrics: Metrics) -> Self {
        Self { audiences: HashMap::new(), seats: HashMap::new(), restarts: 0, metrics }
    }

    /// Checks that a user may add an audience. Each is rendered for every event, so their number is bounded for each user.
    ///
    /// # Errors
    /// [`RoomError::TooManyAudiences`].
    pub(in crate::room) fn check_room_for(
        &self,
        key: &AudienceKey,
        user: UserId,
    ) -> Result<(), RoomError> {
        let is_of_user = |audience: &Audience| {
            audience.listeners.iter().any(|listener| listener.seat.user().id == user)
        };
        if self.audiences.get(key).is_some_and(is_of_user) {
            return Ok(());
        }
        let of_topic = self.audiences.iter().filter(|(other, _)| other.topic == key.topic);
        let count = of_topic.filter(|(_, audience)| is_of_user(audience)).count();
        if count < MAX_AUDIENCES {
            Ok(())
        } else {
            Err(RoomError::TooManyAudiences { max: MAX_AUDIENCES })
        }
    }

    /// Adds a subscriber to its audience. With `since` it has everything up to that version, and a replay up to `head` is
    /// due; otherwise it receives what comes after `head`. The renderer is made only if the audience is new.
    pub(in crate::room) fn add(
        &mut self,
        key: AudienceKey,
        (seat, operation): (Arc<Seat>, OperationId),
        since: Option<Version>,
        head: Version,
        make: MakeRenderer,
    ) {
        let mut progress = Progress::live(since.unwrap_or(head).next());
        let mut replay_up_to = Version::default();
        if let Some(since) = since.filter(|since| *since < head) {
            progress.fall_behind(since.next(), BehindCause::Since, &seat, &self.metrics);
            replay_up_to = head;
        }
        let counted = self.metrics.subscription_opened(key.topic);
        self.seats.insert(seat.id(), (key.clone(), counted));
        let audience = self.audiences.entry(key);
        audience.or_insert_with(|| Audience::new(make())).listeners.push(Listener {
            seat,
            operation,
            progress,
            replay_up_to,
            unsent: Vec::new(),
        });
    }

    /// Removes a subscriber whose session gave its seat up.
    pub(in crate::room) fn remove(&mut self, seat: SeatId) {
        if let Some((listener, _)) = self.take(seat) {
            listener.seat.end();
            listener.seat.outbox().end_seat(seat, None);
        }
    }

    /// Takes a seat away: queued frames are removed and the client receives the reason.
    pub(in crate::room) fn evict(&mut self, seat: SeatId, reason: SeatEnd) {
        let Some((listener, last)) =
            self.take_with(seat, |renderer, listener| renderer.ending(&listener.operation, reason))
        else {
            return;
        };
        listener.seat.end();
        let outbox = listener.seat.outbox();
        match reason {
            // The queued deletion is still wanted; the last frame follows it.
            SeatEnd::Deleted => outbox.finish_seat(seat, last),
            SeatEnd::Revoked
            | SeatEnd::Overflow
            | SeatEnd::Broken
            | SeatEnd::Corrupt
            | SeatEnd::Repetitive
            | SeatEnd::Unrelated
            | SeatEnd::TooHeavy
            | SeatEnd::NoMemory => {
                outbox.end_seat(seat, Some(last));
            }
        }
        tracing::info!(
            session.id = %listener.seat.session(), user.id = %listener.seat.user().id,
            document.id = %listener.seat.document(), reason = reason.label(),
            "subscription ended by the room"
        );
    }

    /// Takes every seat away.
    pub(in crate::room) fn evict_all(&mut self, reason: SeatEnd) {
        for seat in self.seats.keys().copied().collect::<Vec<_>>() {
            self.evict(seat, reason);
        }
    }

    fn take(&mut self, seat: SeatId) -> Option<(Listener, ())> {
        self.take_with(seat, |_, _| ())
    }

    /// Removes a listener after calling `work` with its audience's renderer. An audience ends with its last listener.
    fn take_with<T>(
        &mut self,
        seat: SeatId,
        work: impl FnOnce(&dyn Render, &Listener) -> T,
    ) -> Option<(Listener, T)> {
        let (key, _counted) = self.seats.remove(&seat)?;
        let audience = self.audiences.get_mut(&key)?;
        let index = audience.position(seat)?;
        let listener = audience.listeners.swap_remove(index);
        let result = work(&*audience.renderer, &listener);
        if audience.listeners.is_empty() {
            self.audiences.remove(&key);
        }
        Some((listener, result))
    }

    /// Broadcasts an event to the subscribers of its topic, except its origin. `accepted` is when its cause was accepted.
    pub(in crate::room) fn broadcast(
        &mut self,
        origin: Origin,
        event: &Event,
        accepted: Instant,
    ) -> BroadcastReport {
        let mut report = BroadcastReport::default();
        let broadcast = Broadcast::new(origin, event.clone(), accepted);
        let topic = event.topic();
        for (key, audience) in &mut self.audiences {
            if key.topic == topic {
                audience.take(key, &broadcast, &mut report, &self.metrics);
            }
        }
        report
    }

    fn find_mut(&mut self, seat: SeatId) -> Option<FoundListener<'_>> {
        let (key, _counted) = self.seats.get(&seat)?;
        let audience = self.audiences.get_mut(key)?;
        let index = audience.position(seat)?;
        let Audience { renderer, large_fields, listeners, .. } = audience;
        let listener = listeners.get_mut(index)?;
        Some(FoundListener { renderer: &mut **renderer, large_fields: *large_fields, listener })
    }
}

impl Audience {
    fn new(renderer: Box<dyn Render>) -> Self {
        let large_fields = renderer.large_fields();
        Self { renderer, large_fields, listeners: Vec::new(), rendering: None }
    }

    fn position(&self, seat: SeatId) -> Option<usize> {
        self.listeners.iter().position(|listener| listener.seat.id() == seat)
    }

    /// Sends an event to its recipients in the room's turn.
    fn send(&mut self, broadcast: &Broadcast, report: &mut BroadcastReport, metrics: &Metrics) {
        let event = broadcast.event.event();
        let mut rendered = None;
        // Clients tend to give subscriptions the same id, so the last frame often fits the next subscriber too.
        let mut last: Option<(OperationId, Bytes)> = None;
        for index in 0..self.listeners.len() {
            let listener = self.listeners.get_mut(index).filter(|one| one.is_recipient(broadcast));
            let Some(listener) = listener else { continue };
            let Listener { seat, operation, progress, .. } = listener;
            // What a full outbox would refuse is not rendered for it.
            if let Some(refused) = seat.outbox().refuse(seat.id(), frame_of(event, Bytes::new())) {
                report.add(refused, seat, progress, metrics);
                continue;
            }
            let rendered = match &rendered {
                Some(rendered) => rendered,
                None => match self.renderer.render(&broadcast.event) {
                    Ok(new) => rendered.insert(new),
                    Err(error) => return self.report_broken(&error, report),
                },
            };
            let frame = match &last {
                Some((known, frame)) if known == operation => frame.clone(),
                _ => {
                    let frame = self.renderer.frame(rendered, operation);
                    last = Some((operation.clone(), frame.clone()));
                    frame
                }
            };
            let pushed = seat.outbox().send(seat.id(), frame_of(event, frame));
            report.add(pushed.outcome, seat, progress, metrics);
        }
    }

    /// Reports that an event could not be rendered.
    fn report_broken(&self, error: &RenderError, report: &mut BroadcastReport) {
        let seats = self.listeners.iter().map(|listener| listener.seat.id());
        report.broken.extend(seats.map(|seat| (seat, error.clone())));
    }
}

/// Whether a change cannot be replayed from the log.
fn is_lasting(kind: ChangeKind) -> bool {
    matches!(kind, ChangeKind::Deleted | ChangeKind::Resync)
}

fn frame_of(event: &Event, frame: Bytes) -> SeatFrame {
    match event {
        Event::Changed(change) => frame_of_change(change, frame.into()),
        Event::CursorMoved(moved) => SeatFrame::Cursor(moved.session, frame),
        Event::PresenceChanged(change) => {
            SeatFrame::Presence(change.presence.session, change.kind, frame)
        }
        Event::LevelRead(_) => SeatFrame::Lasting(frame.into()),
    }
}

fn frame_of_change(change: &Change, frame: OutboxFrame) -> SeatFrame {
    if is_lasting(change.kind) {
        SeatFrame::Lasting(frame)
    } else {
        SeatFrame::Change(change.version, frame)
    }
}

#[cfg(test)]
#[path = "audience_tests.rs"]
mod tests;
