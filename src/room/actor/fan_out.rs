//! Applies effects, and broadcasts events to the subscribers here and to the other nodes.

use std::{collections::VecDeque, sync::Arc};

use actix::prelude::*;
use tokio::time::Instant;

use super::Room;
use crate::{
    domain::{ChangeKind, Event, Origin, Topic, UserId},
    editing::turn_exchange::StoredChange,
    room::{
        RenderError, SeatEnd,
        delivery::audience::{AudienceRendering, BroadcastReport},
        members::membership::Effect,
    },
    wire::envelope::Envelope,
};

impl Room {
    /// Applies effects in order. `accepted` is when their cause was accepted, for the delivery time.
    pub(super) fn apply(
        &mut self,
        effects: Vec<Effect>,
        accepted: Instant,
        ctx: &mut Context<Self>,
    ) {
        // A queue instead of recursion: each eviction broadcasts a departure, which may evict another subscriber.
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            let roster = &self.shared.parts.roster;
            match effect {
                Effect::Enter(presence) => roster.enter(presence),
                Effect::Exit(session) => roster.exit(self.document, session),
                Effect::Touch { session, cursor, at } => {
                    roster.touch(self.document, session, cursor, at);
                }
                Effect::Evict { seat, reason } => {
                    self.audiences.evict(seat, reason);
                    self.editors.evict(seat, reason);
                }
                Effect::Broadcast { origin, event } => {
                    self.publish(event.clone());
                    queue.extend(self.broadcast(origin, &event, accepted, ctx));
                }
            }
        }
        self.member_gauge.set(self.members.member_count());
    }

    /// Broadcasts an event of another node to the subscribers here. It is not published again.
    pub(super) fn broadcast_remote(
        &mut self,
        origin: Origin,
        event: &Event,
        accepted: Instant,
        ctx: &mut Context<Self>,
    ) {
        let effects = self.broadcast(origin, event, accepted, ctx);
        self.apply(effects, accepted, ctx);
    }

    /// Broadcasts an event to the subscribers here. Returns the effects on those that could not be sent it.
    fn broadcast(
        &mut self,
        origin: Origin,
        event: &Event,
        accepted: Instant,
        ctx: &mut Context<Self>,
    ) -> Vec<Effect> {
        let report = self.audiences.broadcast(origin, event, accepted);
        self.follow_with_awareness(event);
        self.settle_broadcast(event.topic(), report, accepted, ctx)
    }

    /// Broadcasts a stored change to the subscribers and editors here, and publishes it if this node stored it. A deletion
    /// takes every seat away.
    pub(super) fn broadcast_change(
        &mut self,
        stored: StoredChange,
        accepted: Instant,
        ctx: &mut Context<Self>,
    ) {
        let StoredChange { change, is_remote, is_merged } = stored;
        // A change without an author, whose account is gone, has no origin here.
        let unknown = Origin { user: UserId::new(), session: None };
        let origin = change.origin().unwrap_or(unknown);
        // Its author may not know that the change is stored, so it is no echo.
        let is_echo = !is_remote || !self.remote.is_doubtful(origin, accepted);
        let origin = if is_echo { origin } else { unknown };
        let event = Event::Changed(Arc::clone(&change));
        if !is_remote {
            self.publish(event.clone());
        }
        let mut report = self.audiences.broadcast(origin, &event, accepted);
        self.editors.broadcast(&change, is_merged, &mut report);
        let mut effects = self.settle_broadcast(event.topic(), report, accepted, ctx);
        match change.kind {
            ChangeKind::Deleted => effects.extend(self.members.delete()),
            ChangeKind::Compacted => {
                let editors = self.editors.seats().map(|seat| (seat.id(), SeatEnd::Unrelated));
                effects.extend(self.members.evict(editors.collect()));
            }
            ChangeKind::Edited | ChangeKind::Renamed | ChangeKind::Resync => {}
        }
        if !effects.is_empty() {
            self.apply(effects, accepted, ctx);
        }
    }

    /// Records a broadcast, and lets those who fell behind catch up. Returns the effects on those that could not be sent it.
    pub(super) fn settle_broadcast(
        &mut self,
        topic: Topic,
        mut report: BroadcastReport,
        accepted: Instant,
        ctx: &mut Context<Self>,
    ) -> Vec<Effect> {
        let metrics = self.metrics();
        metrics.delivered(topic, report.deliveries);
        // Otherwise nobody has been sent it yet.
        if report.deliveries > 0 || report.renderings.is_empty() {
            metrics.delivery_took(topic, accepted.elapsed());
        }
        metrics.cursors_dropped(report.dropped);
        for rendering in std::mem::take(&mut report.renderings) {
            self.render_large(rendering, ctx);
        }
        for seat in &report.behind {
            self.catch_up(*seat, ctx);
        }
        for seat in &report.behind_editors {
            self.catch_up_editor(*seat, ctx);
        }
        self.evict_lost(report)
    }

    /// Has a large change rendered on another thread, then broadcasts it.
    fn render_large(&mut self, rendering: AudienceRendering, ctx: &mut Context<Self>) {
        let AudienceRendering { audience, id, users, event } = rendering;
        let events = self.shared.large_events.clone();
        let rendering = async move { events.render(users, event).await };
        self.spawn(ctx, rendering, move |room, rendered, ctx| {
            let events = &room.shared.large_events;
            let ended = room.audiences.end_rendering(&audience, id, rendered, events);
            if let Some((accepted, report)) = ended {
                let effects = room.settle_broadcast(audience.topic, report, accepted, ctx);
                room.apply(effects, Instant::now(), ctx);
            }
        });
    }

    /// Takes the seats away that could not be sent an event. Their sessions go on and may subscribe again. Returns the effects
    /// of their departure.
    fn evict_lost(&mut self, report: BroadcastReport) -> Vec<Effect> {
        let mut lost = Vec::new();
        for seat in report.overflowed {
            self.metrics().seat_overflowed();
            lost.push((seat, SeatEnd::Overflow));
        }
        for (seat, error) in report.broken {
            if let RenderError::Failed(_) = error {
                tracing::error!(%error, "an audience could not be rendered and is evicted");
            }
            lost.push((seat, error.seat_end()));
        }
        // At once, not as effects: events that wait to be broadcast must not reach a seat whose frames were dropped. All of
        // them go before the first departure is broadcast.
        for (seat, reason) in &lost {
            self.audiences.evict(*seat, *reason);
        }
        lost.into_iter().flat_map(|(seat, _)| self.members.leave(seat)).collect()
    }

    fn publish(&self, event: Event) {
        let envelope = match event {
            Event::Changed(change) => Envelope::Changed(change),
            Event::CursorMoved(moved) => Envelope::CursorMoved(moved),
            // The roster publishes presence when it numbers it, and every node learns a level for itself.
            Event::PresenceChanged(_) | Event::LevelRead(_) => return,
        };
        self.parts().bridge.publish(self.document, envelope);
        self.metrics().published();
    }
}
