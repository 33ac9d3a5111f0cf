//! The room's actor: it receives, asks the pure neighbours, and carries out.
//!
//! Its mailbox holds `room.mailbox` messages. A room without seats and waiting changes lingers, then closes:
//! it is marked as closing first, so that whoever opens the document waits until it has gone.

use std::{collections::VecDeque, sync::Arc};

use actix::prelude::*;
use chrono::Utc;
use tokio::time::Instant;

use super::{awareness_broadcast::WhoIsHere, remote::RemoteChanges, yjs_sync::Beginning};
use crate::{
    domain::{DocumentId, Event, Origin, Version},
    editing::{queue::EditQueue, recent::RecentChanges, turn::DocumentState, workers::WorkPermits},
    metrics::{Counted, Metrics},
    room::{
        Place, RoomError, SeatEnd,
        delivery::{
            audience::{Audiences, BroadcastReport},
            yjs_seats::Editors,
        },
        members::{
            membership::{Effect, Membership},
            remote_presence::{RemotePresence, RosterRead},
        },
        rooms::{Registration, RoomParts, RoomsShared},
    },
    wire::envelope::Envelope,
};

/// One open document.
pub(in crate::room) struct Room {
    pub(in crate::room) document: DocumentId,
    pub(in crate::room) state: Membership,
    pub(in crate::room) audiences: Audiences,
    pub(in crate::room) edits: EditQueue,
    /// What is stored, as far as it is in memory. While a batch is being stored the replica is with it.
    pub(in crate::room) editing: DocumentState,
    /// The Yjs editors.
    pub(in crate::room) editors: Editors,
    /// Who is here, as editors are told it.
    pub(in crate::room) who: WhoIsHere,
    /// What editors that have nothing begin with.
    pub(in crate::room) beginning: Beginning,
    /// The versions told of now that editors wrote, and have.
    pub(in crate::room) merged: Vec<Version>,
    /// Where its text is worked on when it is large.
    pub(in crate::room) benches: WorkPermits,
    /// The newest version that the room was told of.
    pub(in crate::room) known: Version,
    /// The newest change of access that those who sit here were looked at after.
    pub(in crate::room) access_seen: i64,
    /// What other nodes told of and is not taken in yet.
    pub(in crate::room) offered: RemoteChanges,
    /// Who sits on other nodes.
    pub(in crate::room) others: RemotePresence,
    /// Who sits there is being read.
    pub(in crate::room) looking_for_others: bool,
    /// Where the document stands could not be read: the room is of no use and closes.
    pub(in crate::room) unreadable: bool,
    pub(in crate::room) shared: Arc<RoomsShared>,
    /// Keeps the room listed among the open ones; dropping it lets the document be opened again.
    registration: Registration,
    pub(in crate::room) closing: bool,
    /// The node is going down: close as soon as nothing is being stored.
    pub(in crate::room) must_close: bool,
    /// Closes the room unless it becomes busy again.
    lingering: Option<SpawnHandle>,
    /// How many members the gauge counts for this room.
    counted: usize,
    _open: Counted,
}

impl Room {
    /// A room that nobody has entered yet.
    pub(in crate::room) fn new(
        document: DocumentId,
        shared: Arc<RoomsShared>,
        registration: Registration,
    ) -> Self {
        let RoomsShared { parts, options, .. } = &*shared;
        let state = Membership::new(document);
        let audiences = Audiences::new(parts.metrics.clone());
        let edits = EditQueue::new(options.edits_waiting, options.edits_waiting_bytes);
        let recent = Arc::new(RecentChanges::new(options.recent_bytes));
        Self {
            document,
            state,
            audiences,
            edits,
            editing: DocumentState { head: None, replica: None, snapshot: None, recent },
            editors: Editors::new(parts.metrics.clone()),
            who: WhoIsHere::new(shared.clocks.clone()),
            beginning: Beginning::default(),
            merged: Vec::new(),
            benches: WorkPermits::new(Arc::clone(&shared.benches)),
            known: Version::default(),
            access_seen: 0,
            offered: RemoteChanges::default(),
            others: RemotePresence::default(),
            looking_for_others: false,
            unreadable: false,
            registration,
            closing: false,
            must_close: false,
            lingering: None,
            counted: 0,
            _open: parts.metrics.room_opened(),
            shared,
        }
    }

    /// The meters.
    pub(in crate::room) fn metrics(&self) -> &Metrics {
        &self.shared.parts.metrics
    }

    pub(in crate::room) fn carry_out(
        &mut self,
        effects: Vec<Effect>,
        why: SeatEnd,
        accepted: Instant,
        ctx: &mut Context<Self>,
    ) {
        for effect in effects {
            match effect {
                Effect::Enter(presence) => self.shared.parts.roster.enter(presence),
                Effect::Exit(session) => self.shared.parts.roster.exit(self.document, session),
                Effect::Touch { session, cursor, at } => {
                    self.shared.parts.roster.touch(self.document, session, cursor, at);
                }
                Effect::Evict(seat) => {
                    self.audiences.evict(seat, why);
                    self.editors.end(seat, Some(why));
                }
                Effect::Tell { origin, event } => self.tell(origin, event, accepted, ctx),
            }
        }
        self.count_members(self.state.member_count());
    }

    fn count_members(&mut self, now: usize) {
        let before = std::mem::replace(&mut self.counted, now);
        if before != now {
            self.shared.parts.metrics.members_changed(before, now);
        }
    }

    /// Tells an event that began here: to those who sit here, and to the other nodes.
    pub(in crate::room) fn tell(
        &mut self,
        origin: Origin,
        event: Event,
        accepted: Instant,
        ctx: &mut Context<Self>,
    ) {
        self.publish(event.clone());
        self.tell_here(origin, event, accepted, ctx);
    }

    fn publish(&self, event: Event) {
        let envelope = match event {
            Event::Changed(change) => Envelope::Changed(change),
            Event::CursorMoved(moved) => Envelope::CursorMoved(moved),
            // The roster tells of those as it counts them.
            Event::PresenceChanged(_) => return,
        };
        self.shared.parts.bridge.publish(self.document, envelope);
        self.shared.parts.metrics.published();
    }

    /// Tells an event to those who sit here, and what follows from telling it: a seat that overflows leaves, and that is
    /// told everywhere; one that is behind now is sent the rest later.
    pub(in crate::room) fn tell_here(
        &mut self,
        origin: Origin,
        event: Event,
        accepted: Instant,
        ctx: &mut Context<Self>,
    ) {
        // A loop, because each that leaves may be one too many for the next.
        let mut waiting = VecDeque::from([(origin, event)]);
        while let Some((origin, event)) = waiting.pop_front() {
            let mut told = self.audiences.tell(origin, &event);
            self.tell_editors(origin, &event, &mut told);
            let metrics = &self.shared.parts.metrics;
            metrics.delivered(event.topic(), told.deliveries);
            metrics.delivery_took(event.topic(), accepted.elapsed());
            metrics.cursors_dropped(told.dropped);
            for seat in &told.behind {
                self.catch_up(*seat, ctx);
            }
            for seat in &told.behind_editors {
                self.catch_up_editor(*seat, ctx);
            }
            for (origin, event) in self.send_away(told) {
                self.publish(event.clone());
                waiting.push_back((origin, event));
            }
        }
        self.count_members(self.state.member_count());
    }

    /// Ends the seats that could not be told; their sessions live and may subscribe again. All of them are gone before
    /// anybody is told who left.
    fn send_away(&mut self, told: BroadcastReport) -> Vec<(Origin, Event)> {
        let mut ended = Vec::new();
        for seat in told.overflowed {
            self.shared.parts.metrics.seat_overflowed();
            ended.push((seat, SeatEnd::Overflow));
        }
        for (seat, error) in told.broken {
            tracing::error!(error = %error, document.id = %self.document, "an audience was lost");
            ended.push((seat, SeatEnd::Broken));
        }
        let mut tell = Vec::new();
        for (seat, why) in ended {
            self.audiences.evict(seat, why);
            for effect in self.state.leave(seat) {
                match effect {
                    Effect::Exit(session) => self.shared.parts.roster.exit(self.document, session),
                    Effect::Tell { origin, event } => tell.push((origin, event)),
                    Effect::Enter(_) | Effect::Touch { .. } | Effect::Evict(_) => {}
                }
            }
        }
        tell
    }

    /// Confirms a seat, and says what follows.
    pub(in crate::room) fn admit(&mut self, place: &Place) -> Result<Vec<Effect>, RoomError> {
        let seat = &place.seat;
        let effects = self.state.confirm(seat.id, Utc::now())?;
        if !place.outbox.open_seat(seat.id) || !seat.confirm() {
            // The session has gone; its own `Leave` is on its way, but may have ended the seat before it was opened.
            place.outbox.end_seat(seat.id, None);
            self.state.leave(seat.id);
            return Err(RoomError::SeatVoided);
        }
        Ok(effects)
    }

    pub(in crate::room) fn linger_if_idle(&mut self, ctx: &mut Context<Self>) {
        if let Some(lingering) = self.lingering.take() {
            ctx.cancel_future(lingering);
        }
        if self.is_idle() {
            // Linger first: a page reload leaves and rejoins within a second.
            let lingering = ctx.run_later(self.shared.options.linger, |room, ctx| {
                if room.is_idle() {
                    room.close(ctx);
                }
            });
            self.lingering = Some(lingering);
        }
    }

    fn is_idle(&self) -> bool {
        self.state.is_empty() && self.edits.is_idle()
    }

    pub(in crate::room) fn close_if_due(&mut self, ctx: &mut Context<Self>) {
        if self.must_close && !self.closing && self.edits.is_idle() {
            self.close(ctx);
        }
    }

    /// Takes nothing more, keeps a snapshot of what changed, and ends.
    fn close(&mut self, ctx: &mut Context<Self>) {
        self.closing = true;
        self.registration.closing();
        if self.snapshot_is_due(1) {
            self.keep_snapshot(ctx, |_room, ctx| ctx.stop());
        } else {
            ctx.stop();
        }
    }

    /// Reads where the document stands before anything else is done, and who has it open elsewhere. Both are read after
    /// the other nodes can be heard: what comes between is told twice rather than missed, and taken in once.
    fn find_head(&mut self, ctx: &mut Context<Self>) {
        let (shared, document) = (Arc::clone(&self.shared), self.document);
        self.others.asked();
        let head = async move {
            let RoomParts { store, bridge, roster, .. } = &shared.parts;
            bridge.attach(document).await;
            futures_util::join!(store.find_head(document), roster.find_standing(document))
        };
        ctx.wait(head.into_actor(self).map(|(head, standing), room, ctx| match head {
            Ok(head) => {
                room.access_seen = head.as_ref().map_or(0, |head| head.access_version);
                room.editing.head = head;
                if let Some(standing) = standing {
                    room.others_stand(standing, RosterRead::Usual, ctx);
                }
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, document.id = %room.document, "a document could not be opened");
                room.unreadable = true;
                // Whoever asked already is answered first.
                ctx.run_later(std::time::Duration::ZERO, Self::close);
            }
        }));
    }
}

impl Actor for Room {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.find_head(ctx);
        self.linger_if_idle(ctx);
    }
}

/// However the room ends, nothing of it stays behind: not in the roster, not on the other nodes, not in sessions.
impl Drop for Room {
    fn drop(&mut self) {
        self.audiences.evict_all(SeatEnd::Broken);
        self.editors.end_all(SeatEnd::Broken);
        for session in self.state.sessions() {
            self.shared.parts.roster.exit(self.document, session);
        }
        self.count_members(0);
        self.shared.parts.bridge.detach(self.document);
    }
}
