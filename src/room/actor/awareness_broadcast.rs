//! The part of the room's actor that tells editors who is here, and the others what editors say.
//!
//! Whatever is told of presence and cursors goes to editors as awareness; what an editor says goes to the other
//! editors as it is, and to everybody else as the cursor that it means ([`placing`](super::cursor_translation)).

use std::{collections::HashMap, sync::Arc, time::Duration};

use actix::prelude::*;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    cursor_translation::Pointing,
    mailbox::Take,
    room::Room,
    yjs_messages::{EditorAwareness, Say},
};
use crate::{
    domain::{
        AwarenessUpdate, Event, Origin, Presence, PresenceChangeKind, SessionId, Topic, User,
    },
    editing::loader::MAX_INLINE_BYTES,
    outbox::SeatId,
    room::{
        Place,
        awareness::{
            clocks::Clocks,
            identity,
            table::{Awareness, AwarenessChange, AwarenessOutcome},
        },
        delivery::audience::BroadcastReport,
    },
    wire::{
        envelope::Envelope,
        yjs::awareness::{self, OutgoingEntry},
    },
};

/// Other nodes are told at most so often what all editors here say.
const MIN_ANSWER_INTERVAL: Duration = Duration::from_millis(500);

/// Who is here, as editors are told it.
#[derive(Default)]
pub(in crate::room) struct WhoIsHere {
    awareness: Awareness,
    /// The newest place of each session that waits for the replica, ...
    pub(in crate::room) pointings: HashMap<SessionId, Pointing>,
    /// ... or until more have gathered.
    pub(in crate::room) is_pointing: bool,
    /// Editors are told again and again who is here.
    is_renewing: bool,
    /// When other nodes were last told what all editors here say.
    said_at: Option<Instant>,
    /// They are told again in a moment.
    says_later: bool,
}

impl WhoIsHere {
    pub(in crate::room) fn new(clocks: Clocks) -> Self {
        Self { awareness: Awareness::new(clocks), ..Self::default() }
    }
}

impl Room {
    /// Tells editors of an event.
    pub(in crate::room) fn tell_editors(
        &mut self,
        origin: Origin,
        event: &Event,
        told: &mut BroadcastReport,
    ) {
        if self.editors.is_empty() {
            return self.forget_awareness_if_unused();
        }
        match event {
            Event::Changed(change) => {
                let author = origin.session.filter(|_| self.merged.contains(&change.version));
                self.editors.tell(author, change, told);
            }
            Event::PresenceChanged(change) => match change.kind {
                PresenceChangeKind::Joined => self.show(&change.presence),
                PresenceChangeKind::Left => self.take_back(change.presence.session),
            },
            Event::CursorMoved(moved) => {
                if !self.who.awareness.speaks(moved.session) && !self.editors.has(moved.session) {
                    self.show(&Presence {
                        document: moved.document,
                        session: moved.session,
                        user: moved.user.clone(),
                        color: moved.color,
                        cursor: Some(moved.cursor),
                        joined_at: moved.at,
                        last_seen: moved.at,
                    });
                }
            }
        }
    }

    /// The first editor is here: from now on it is known who is, and told again and again.
    pub(in crate::room) fn begin_awareness(&mut self, ctx: &mut Context<Self>) {
        self.show_everybody();
        self.shared.parts.bridge.publish(self.document, Envelope::QueryAwareness);
        if !std::mem::replace(&mut self.who.is_renewing, true) {
            self.renew_later(ctx);
        }
    }

    fn show_everybody(&mut self) {
        let everybody: Vec<_> =
            self.state.present().chain(self.others.present()).cloned().collect();
        for presence in everybody {
            self.show(&presence);
        }
    }

    fn renew_later(&mut self, ctx: &mut Context<Self>) {
        ctx.run_later(self.shared.options.awareness_every, |room, ctx| {
            if room.editors.is_empty() {
                room.who.is_renewing = false;
                return;
            }
            room.renew();
            room.renew_later(ctx);
        });
    }

    /// Tells every editor who is here. Editors forget whom they have not heard of for 30 s, and give up a connection on
    /// which nothing comes for as long. The other nodes are told again as well: something may have been lost.
    fn renew(&mut self) {
        let words = self.who.awareness.renewed(Utc::now());
        for place in self.editors.places() {
            let session = place.seat.session;
            let frame = frame_of(words.iter().filter(|word| is_for(word, place)));
            // One that cannot be queued makes room for others that are heard.
            let _dropped = place.outbox.cursor(place.seat.id, session, frame);
        }
        self.say_again();
    }

    /// Tells the other nodes what the editors here say of themselves.
    fn say_again(&mut self) {
        self.who.said_at = Some(Instant::now());
        for session in self.editors.sessions() {
            if let Some(saying) = self.who.awareness.saying_of(session) {
                self.publish_saying(saying);
            }
        }
    }

    /// Another node wants to know what the editors here say. Many may want that at once.
    pub(in crate::room) fn answer_who_is_here(&mut self, ctx: &mut Context<Self>) {
        let now = Instant::now();
        let next = self.who.said_at.map_or(now, |said_at| said_at + MIN_ANSWER_INTERVAL);
        if next <= now {
            self.say_again();
        } else if !std::mem::replace(&mut self.who.says_later, true) {
            ctx.run_later(next - now, |room, _ctx| {
                room.who.says_later = false;
                room.say_again();
            });
        }
    }

    fn publish_saying(&self, saying: AwarenessUpdate) {
        let envelope = Envelope::AwarenessUpdated(Arc::new(saying));
        self.shared.parts.bridge.publish(self.document, envelope);
        self.shared.parts.metrics.published();
    }

    /// Tells one editor who is here: everybody, since this takes the place of what it was told before and still waits.
    pub(in crate::room) fn tell_who_is_here(&mut self, seat: SeatId, now: DateTime<Utc>) {
        let words = self.who.awareness.renewed(now);
        let Some(place) = self.editors.place(seat) else { return };
        let frame = frame_of(words.iter().filter(|word| is_for(word, place)));
        // What is dropped here is told with the next renewal.
        let _dropped = place.outbox.cursor(seat, place.seat.session, frame);
    }

    /// Shows somebody who is present to the editors, unless an editor speaks for itself there.
    pub(in crate::room) fn show(&mut self, presence: &Presence) {
        let session = presence.session;
        if self.editors.has(session) {
            return;
        }
        let selection = match (presence.cursor, &self.editing.replica) {
            (None, _) => None,
            (Some(cursor), Some(replica)) if replica.weight() <= MAX_INLINE_BYTES => {
                Some(replica.selection_of(cursor))
            }
            (Some(_), _) => {
                self.who.pointings.insert(session, Pointing::Cursor(Box::new(presence.clone())));
                if self.who.awareness.knows(session) {
                    return;
                }
                None
            }
        };
        self.show_at(presence, selection);
    }

    pub(in crate::room) fn show_at(
        &mut self,
        presence: &Presence,
        selection: Option<(Value, Value)>,
    ) {
        let session = presence.session;
        let user = identity::user(self.document, session, &presence.user);
        let state = identity::shown(user, selection);
        if let Some(word) = self.who.awareness.show((session, presence.user.id), state, Utc::now())
        {
            self.spread(&word);
        }
    }

    fn take_back(&mut self, session: SessionId) {
        self.who.pointings.remove(&session);
        if let Some(word) = self.who.awareness.leave(session, Utc::now()) {
            self.spread(&word);
        }
    }

    /// Tells every editor but the one that it is about.
    fn spread(&self, word: &AwarenessChange) {
        let mut deliveries = 0;
        for entry in &word.entries {
            let frame = frame_of_entries([entry]);
            // By the client and not by the session: of one that has another id now the old one must go, too.
            let about = SessionId::from(Uuid::from_u128(entry.0.into()));
            let is_own = |place: &Place| place.seat.client() == Some(entry.0);
            for place in self.editors.places().filter(|place| is_for(word, place) && !is_own(place))
            {
                // A newer one takes its place, and what is dropped is told with the next renewal.
                let _outcome = place.outbox.cursor(place.seat.id, about, frame.clone());
                deliveries += 1;
            }
        }
        self.shared.parts.metrics.delivered(Topic::Document, deliveries);
    }

    /// Another node tells what an editor says of itself.
    pub(in crate::room) fn said_elsewhere(&mut self, saying: &Arc<AwarenessUpdate>) {
        if self.editors.is_empty() {
            return;
        }
        let is_present = self.others.has(saying.session);
        if let AwarenessOutcome::News(word) =
            self.who.awareness.hear(saying, is_present, Utc::now())
        {
            self.who.pointings.remove(&saying.session);
            self.spread(&word);
        }
    }

    /// With the last editor goes what was known for editors.
    pub(in crate::room) fn forget_awareness_if_unused(&mut self) {
        if self.editors.is_empty() {
            self.who.awareness.forget();
            self.forget_pointing();
        }
    }

    fn stamp(&self, session: SessionId, user: &User, mut state: Map<String, Value>) -> Arc<str> {
        state.insert("user".to_owned(), identity::user(self.document, session, user));
        Value::Object(state).to_string().into()
    }
}

/// Whether an editor is told: never of itself. Until it has said who it is, each entry of its user may be its own, of an
/// old connection that is not known to be dead yet, and it would take that for its own words.
fn is_for(word: &AwarenessChange, place: &Place) -> bool {
    let Place { seat, .. } = place;
    word.session != seat.session
        && match seat.client() {
            Some(own) => word.entries.last().is_none_or(|last| last.0 != own),
            None => word.user != seat.user.id,
        }
}

fn frame_of<'a>(words: impl IntoIterator<Item = &'a AwarenessChange>) -> bytes::Bytes {
    frame_of_entries(words.into_iter().flat_map(|word| &word.entries))
}

fn frame_of_entries<'a>(
    entries: impl IntoIterator<Item = &'a (u32, u32, Option<Arc<str>>)>,
) -> bytes::Bytes {
    awareness::frame(entries.into_iter().map(|(client, clock, state)| OutgoingEntry {
        client: *client,
        clock: *clock,
        state: state.as_deref(),
    }))
}

impl Take<Say> for Room {
    fn take(&mut self, Say { seat, words }: Say, ctx: &mut Self::Context) {
        let Some(place) = self.editors.place(seat) else { return };
        let (session, user) = (place.seat.session, place.seat.user.clone());
        let EditorAwareness { client, state, selection, told_as } = words;
        let is_passed_on =
            told_as.is_some_and(|of| of != session && self.who.awareness.is_of(client, of));
        if is_passed_on && place.seat.client() != Some(client) {
            return;
        }
        let state = state.map(|state| self.stamp(session, &user, state));
        let now = Utc::now();
        let AwarenessOutcome::News(word) =
            self.who.awareness.say((session, user.id), client, state, now)
        else {
            return;
        };
        let is_first = place.seat.client().is_none();
        place.seat.set_client(client);
        self.spread(&word);
        if is_first {
            // Now it is known which of its user's entries is its own.
            self.tell_who_is_here(seat, now);
        }
        if let Some(saying) = self.who.awareness.saying_of(session) {
            self.publish_saying(saying);
        }
        self.move_editor(session, selection, ctx);
        self.serve_editors(ctx);
    }
}
