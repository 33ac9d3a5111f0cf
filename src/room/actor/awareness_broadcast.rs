//! Broadcasts awareness: presence and cursors to Yjs editors, and the states of editors to everyone else.
//!
//! Presence and cursors of sessions without an editor go to editors as derived awareness states. The state of an editor goes to
//! the other editors as it is, and to GraphQL clients as the cursor in it ([`cursor_translation`](super::cursor_translation)).

use std::sync::Arc;

use actix::prelude::*;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Room, mailbox::Take, yjs_messages::UpdateAwareness};
use crate::{
    domain::{AwarenessUpdate, Event, Presence, PresenceChangeKind, SessionId, Topic, User},
    editing::loader::MAX_INLINE_BYTES,
    outbox::{SeatFrame, SeatId},
    room::{
        EditorAwareness,
        awareness::{
            identity,
            state::{PendingTranslation, Publication},
            table::{AwarenessChange, AwarenessOutcome},
        },
        members::seat::Seat,
    },
    wire::{
        envelope::Envelope,
        yjs::awareness::{self, OutgoingEntry},
    },
};

impl Room {
    /// Broadcasts the awareness that follows from an event of GraphQL clients.
    pub(super) fn follow_with_awareness(&mut self, event: &Event) {
        if self.editors.is_empty() {
            return self.clear_awareness_if_unused();
        }
        match event {
            Event::Changed(_) | Event::LevelRead(_) => {}
            Event::PresenceChanged(change) => match change.kind {
                PresenceChangeKind::Joined => self.derive_awareness(&change.presence),
                PresenceChangeKind::Left => self.remove_awareness(change.presence.session),
            },
            Event::CursorMoved(moved) => {
                let has_editor = self.editors.has(moved.session)
                    || self.awareness.table().has_own_entry(moved.session);
                if !has_editor {
                    self.derive_awareness(&Presence {
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

    /// Starts awareness for the first editor: derives the state of everyone present, asks the other nodes for their editors,
    /// and schedules renewals.
    pub(super) fn begin_awareness(&mut self, ctx: &mut Context<Self>) {
        let presences = self.members.presences().chain(self.remote.presence().presences());
        for presence in presences.cloned().collect::<Vec<_>>() {
            self.derive_awareness(&presence);
        }
        self.parts().bridge.publish(self.document, Envelope::QueryMoves);
        if self.awareness.begin_renewals() {
            self.renew_later(ctx);
        }
    }

    fn renew_later(&mut self, ctx: &mut Context<Self>) {
        self.run_later(ctx, self.shared.options.awareness_every, |room, ctx| {
            if room.editors.is_empty() {
                return room.awareness.end_renewals();
            }
            room.renew_awareness();
            room.renew_later(ctx);
        });
    }

    /// Sends every editor all entries again. Editors forget an entry after 30 s without news, and give up a connection on
    /// which nothing arrives for as long. Other nodes receive the entries again as well, in case a message was lost.
    fn renew_awareness(&mut self) {
        let changes = self.awareness.table_mut().renew(Utc::now());
        for seat in self.editors.seats() {
            let frame = frame_of(changes.iter().filter(|change| is_recipient(change, seat)));
            let frame = seat.framed_whole(frame);
            // A frame that is dropped leaves capacity for others, which keep the connection alive.
            let _dropped = seat.outbox().send(seat.id(), SeatFrame::Cursor(seat.session(), frame));
        }
        self.publish_all_awareness();
    }

    /// Publishes the state of every editor here to the other nodes.
    fn publish_all_awareness(&mut self) {
        self.awareness.note_publication(Instant::now());
        for session in self.editors.sessions() {
            if let Some(update) = self.awareness.table().local_update(session) {
                self.publish_awareness(update);
            }
        }
    }

    /// Publishes every cursor and every editor's state here, at a bounded rate, because another node may not have them.
    pub(super) fn publish_moves(&mut self, ctx: &mut Context<Self>) {
        match self.awareness.plan_publication(Instant::now()) {
            Publication::Now => self.publish_all_moves(),
            Publication::After(delay) => {
                self.run_later(ctx, delay, |room, _ctx| {
                    room.awareness.end_scheduled_publication();
                    room.publish_all_moves();
                });
            }
            Publication::Scheduled => {}
        }
    }

    fn publish_all_moves(&mut self) {
        for moved in self.members.cursors() {
            self.parts().bridge.publish(self.document, Envelope::CursorMoved(Arc::new(moved)));
            self.metrics().published();
        }
        self.publish_all_awareness();
    }

    fn publish_awareness(&self, update: AwarenessUpdate) {
        self.parts().bridge.publish(self.document, Envelope::AwarenessUpdated(Arc::new(update)));
        self.metrics().published();
    }

    /// Sends one editor all entries. The frame replaces awareness that is still queued for the editor.
    pub(super) fn send_awareness(&mut self, seat: SeatId, now: DateTime<Utc>) {
        let changes = self.awareness.table_mut().renew(now);
        let Some(seat) = self.editors.seat(seat) else { return };
        let frame = frame_of(changes.iter().filter(|change| is_recipient(change, seat)));
        let frame = seat.framed_whole(frame);
        // If it is dropped, the next renewal sends the same.
        let _dropped = seat.outbox().send(seat.id(), SeatFrame::Cursor(seat.session(), frame));
    }

    /// Derives the state of a session that is present, unless it has an editor.
    fn derive_awareness(&mut self, presence: &Presence) {
        let session = presence.session;
        if self.editors.has(session) {
            return;
        }
        let selection = match (presence.cursor, self.editing.replica()) {
            (None, _) => None,
            (Some(cursor), Some(replica)) if replica.weight() <= MAX_INLINE_BYTES => {
                Some(replica.selection_of(cursor))
            }
            (Some(_), _) => {
                let pending = PendingTranslation::Cursor(Box::new(presence.clone()));
                self.awareness.translate_later(session, pending);
                if self.awareness.table().has(session) {
                    return;
                }
                None
            }
        };
        self.set_derived_awareness(presence, selection);
    }

    /// Sets and broadcasts the derived state of a session. `selection` is its anchor and head as relative positions.
    pub(super) fn set_derived_awareness(
        &mut self,
        presence: &Presence,
        selection: Option<(Value, Value)>,
    ) {
        let session = presence.session;
        let user = identity::user(self.document, session, &presence.user);
        let state = identity::derived_state(user, selection);
        let holder = (session, presence.user.id);
        let change = self.awareness.table_mut().update_derived(holder, state, Utc::now());
        if let Some(change) = change {
            self.broadcast_awareness(&change);
        }
    }

    fn remove_awareness(&mut self, session: SessionId) {
        self.awareness.cancel_translation(session);
        if let Some(change) = self.awareness.table_mut().remove(session, Utc::now()) {
            self.broadcast_awareness(&change);
        }
    }

    /// Broadcasts a change of awareness to every editor but the one that it is about. An editor on this node whose client
    /// id has moved to a newer session is notified.
    fn broadcast_awareness(&self, change: &AwarenessChange) {
        if let Some(older) = change.taken_from {
            self.editors.notify_of_move(older);
        }
        let mut deliveries = 0;
        for entry in &change.entries {
            let frame = frame_of_entries([entry]);
            // Keyed by the client id, not by the session: when a session changes its client id, the removal of the old one must
            // not be replaced by the new entry.
            let about = SessionId::from(Uuid::from_u128(entry.0.into()));
            let is_own = |seat: &Seat| seat.client() == Some(entry.0);
            let recipients =
                self.editors.seats().filter(|seat| is_recipient(change, seat) && !is_own(seat));
            for seat in recipients {
                // A newer entry replaces it, and a dropped one is sent with the next renewal.
                let frame = SeatFrame::Cursor(about, seat.framed_whole(frame.clone()));
                let _outcome = seat.outbox().send(seat.id(), frame);
                deliveries += 1;
            }
        }
        self.metrics().delivered(Topic::Document, deliveries);
    }

    /// Applies the state of an editor on another node.
    pub(super) fn apply_remote_awareness(&mut self, update: &Arc<AwarenessUpdate>) {
        let now = Utc::now();
        self.shared.clocks.note_remote_clock(update.clock, now);
        if self.editors.is_empty() {
            return;
        }
        let is_present = self.remote.presence().has(update.session);
        let outcome = self.awareness.table_mut().update_remote(update, is_present, now);
        if let AwarenessOutcome::Changed(change) = outcome {
            self.awareness.cancel_translation(update.session);
            self.broadcast_awareness(&change);
        }
    }

    /// Clears awareness when the last editor has left.
    pub(super) fn clear_awareness_if_unused(&mut self) {
        if self.editors.is_empty() {
            self.awareness.clear();
        }
    }

    /// Puts the session's identity into an editor's state, whatever the editor claims.
    fn stamp(&self, session: SessionId, user: &User, mut state: Map<String, Value>) -> Arc<str> {
        state.insert("user".to_owned(), identity::user(self.document, session, user));
        Value::Object(state).to_string().into()
    }
}

/// Whether an editor receives a change: never its own. Before an editor has announced its client id, any entry of its user may
/// be its own, from an old connection that is not known to be dead, and it would take the entry for its own state.
fn is_recipient(change: &AwarenessChange, seat: &Seat) -> bool {
    change.session != seat.session()
        && match seat.client() {
            Some(own) => change.entries.last().is_none_or(|last| last.0 != own),
            None => change.user != seat.user().id,
        }
}

fn frame_of<'a>(changes: impl IntoIterator<Item = &'a AwarenessChange>) -> Bytes {
    frame_of_entries(changes.into_iter().flat_map(|change| &change.entries))
}

fn frame_of_entries<'a>(
    entries: impl IntoIterator<Item = &'a (u32, u32, Option<Arc<str>>)>,
) -> Bytes {
    awareness::frame(entries.into_iter().map(|(client, clock, state)| OutgoingEntry {
        client: *client,
        clock: *clock,
        state: state.as_deref(),
    }))
}

impl Take<UpdateAwareness> for Room {
    fn take(
        &mut self,
        UpdateAwareness { seat: id, awareness }: UpdateAwareness,
        ctx: &mut Self::Context,
    ) {
        let Some(seat) = self.editors.seat(id).cloned() else { return };
        let (session, user) = (seat.session(), seat.user());
        let EditorAwareness { client, state, selection, sent_by } = awareness;
        // Clients pass on the entries of others that they have received.
        let table = self.awareness.table();
        let is_passed_on =
            sent_by.is_some_and(|other| other != session && table.belongs_to(client, other));
        if is_passed_on && seat.client() != Some(client) {
            return;
        }
        let state = state.map(|state| self.stamp(session, user, state));
        let now = Utc::now();
        let table = self.awareness.table_mut();
        let AwarenessOutcome::Changed(change) =
            table.update_local((session, user.id), client, state, now)
        else {
            return;
        };
        let is_first = seat.client().is_none();
        seat.set_client(client);
        self.broadcast_awareness(&change);
        if is_first {
            // Only now is it known which of its user's entries is the editor's own.
            self.send_awareness(id, now);
        }
        if let Some(update) = self.awareness.table().local_update(session) {
            self.publish_awareness(update);
        }
        self.move_editor_cursor(session, selection, ctx);
        self.sync_editors(ctx);
    }
}
