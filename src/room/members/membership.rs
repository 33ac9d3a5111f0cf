//! What a room knows, and what follows from what happens to it.
//!
//! [`Membership`] is told of events (a seat was reserved, a cursor moved, access was revoked) and answers with
//! effects for the actor to carry out. It does no I/O, reads no clock and knows no socket, so its tests need no
//! runtime.
//!
//! Invariant: a session is a member exactly while it has a confirmed seat, and `JOINED` and `LEFT` of a session
//! alternate, beginning with `JOINED`.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use indexmap::IndexMap;

use crate::{
    domain::{
        AccessLevel, Color, Cursor, CursorMove, DocumentId, Event, Origin, Presence,
        PresenceChange, PresenceChangeKind, SessionId, UserId,
    },
    outbox::SeatId,
    room::{RoomError, Seat},
};

/// A decision that the actor has to carry out, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    /// Write the member into the roster.
    Enter(Presence),
    /// Take the member out of the roster.
    Exit(SessionId),
    /// Write a member's cursor into the roster.
    Touch {
        /// Whose cursor.
        session: SessionId,
        /// Where it is, if it is anywhere.
        cursor: Option<Cursor>,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Tell the audiences and the other nodes.
    Tell {
        /// Who did it and need not hear of it.
        origin: Origin,
        /// What happened.
        event: Event,
    },
    /// Take a confirmed seat away.
    Evict(SeatId),
}

#[derive(Debug)]
struct Member {
    presence: Presence,
    /// Confirmed seats; at least one.
    seats: usize,
}

#[derive(Debug)]
struct Sitter {
    seat: Arc<Seat>,
    confirmed: bool,
}

/// Who is in the room.
#[derive(Debug)]
pub(crate) struct Membership {
    document: DocumentId,
    members: IndexMap<SessionId, Member>,
    seats: HashMap<SeatId, Sitter>,
}

impl Membership {
    /// An empty room.
    pub(crate) fn new(document: DocumentId) -> Self {
        Self { document, members: IndexMap::new(), seats: HashMap::new() }
    }

    /// Holds a seat while its user's access is being read.
    pub(crate) fn reserve(&mut self, seat: Arc<Seat>) {
        self.seats.insert(seat.id, Sitter { seat, confirmed: false });
    }

    /// Admits a reserved seat. The session's first one makes it a member.
    ///
    /// # Errors
    /// [`RoomError::SeatVoided`] when the seat was taken away since it was reserved.
    pub(crate) fn confirm(
        &mut self,
        seat: SeatId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Effect>, RoomError> {
        let sitter = self.seats.get_mut(&seat).ok_or(RoomError::SeatVoided)?;
        if std::mem::replace(&mut sitter.confirmed, true) {
            return Ok(vec![]);
        }
        if let Some(member) = self.members.get_mut(&sitter.seat.session) {
            member.seats += 1;
            return Ok(vec![]);
        }
        let presence = Presence {
            document: self.document,
            session: sitter.seat.session,
            user: sitter.seat.user.clone(),
            color: Color::of(self.document, sitter.seat.user.id),
            cursor: None,
            joined_at: now,
            last_seen: now,
        };
        self.members.insert(sitter.seat.session, Member { presence: presence.clone(), seats: 1 });
        Ok(vec![Effect::Enter(presence.clone()), told(PresenceChangeKind::Joined, presence)])
    }

    /// Gives a seat up. The session's last one ends its membership.
    pub(crate) fn leave(&mut self, seat: SeatId) -> Vec<Effect> {
        let Some(sitter) = self.seats.remove(&seat) else { return vec![] };
        if !sitter.confirmed {
            return vec![];
        }
        let Some(member) = self.members.get_mut(&sitter.seat.session) else { return vec![] };
        member.seats -= 1;
        if member.seats > 0 {
            return vec![];
        }
        let Some(member) = self.members.shift_remove(&sitter.seat.session) else { return vec![] };
        vec![Effect::Exit(sitter.seat.session), told(PresenceChangeKind::Left, member.presence)]
    }

    /// Where a member's cursor is, if it is anywhere; none of who is no member.
    pub(crate) fn cursor_of(&self, session: SessionId) -> Option<Option<Cursor>> {
        self.members.get(&session).map(|member| member.presence.cursor)
    }

    /// Everybody who has the document open here.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Presence> {
        self.members.values().map(|member| &member.presence)
    }

    /// Takes in a cursor. Nothing follows for a session that is no member.
    pub(crate) fn move_cursor(
        &mut self,
        session: SessionId,
        cursor: Cursor,
        now: DateTime<Utc>,
    ) -> Vec<Effect> {
        let Some(Member { presence, .. }) = self.members.get_mut(&session) else { return vec![] };
        presence.cursor = Some(cursor);
        presence.last_seen = now;
        let event = Event::CursorMoved(Arc::new(CursorMove {
            document: self.document,
            session,
            user: presence.user.clone(),
            color: presence.color,
            cursor,
            at: now,
        }));
        let origin = Origin { user: presence.user.id, session: Some(session) };
        vec![
            Effect::Tell { origin, event },
            Effect::Touch { session, cursor: Some(cursor), at: now },
        ]
    }

    /// A member's cursor is nowhere in the text any more. Nobody is told: whoever asks who is present finds it so.
    pub(crate) fn lift_cursor(&mut self, session: SessionId, now: DateTime<Utc>) -> Vec<Effect> {
        let Some(Member { presence, .. }) = self.members.get_mut(&session) else { return vec![] };
        presence.cursor = None;
        presence.last_seen = now;
        vec![Effect::Touch { session, cursor: None, at: now }]
    }

    /// Takes every seat of a user away, pending ones too: access was revoked.
    pub(crate) fn revoke(&mut self, user: UserId) -> Vec<Effect> {
        self.evict(|sitter| sitter.seat.user.id == user)
    }

    /// A user may do something else from now on.
    pub(crate) fn change_level(&mut self, user: UserId, level: AccessLevel) {
        for sitter in self.seats.values().filter(|sitter| sitter.seat.user.id == user) {
            sitter.seat.set_level(level);
        }
    }

    /// Takes every seat away: the document is gone.
    pub(crate) fn revoke_all(&mut self) -> Vec<Effect> {
        self.evict(|_everybody| true)
    }

    fn evict(&mut self, chosen: impl Fn(&Sitter) -> bool) -> Vec<Effect> {
        let mut seats: Vec<SeatId> =
            self.seats.iter().filter(|(_, sitter)| chosen(sitter)).map(|(seat, _)| *seat).collect();
        seats.sort_unstable();
        // The seats go first, so that nobody who is being sent away hears of his own leaving.
        let mut effects: Vec<_> = seats.iter().map(|seat| Effect::Evict(*seat)).collect();
        for seat in seats {
            effects.extend(self.leave(seat));
        }
        effects
    }

    /// Everybody who sits here or is about to, once.
    pub(crate) fn users(&self) -> Vec<UserId> {
        let mut users: Vec<_> = self.seats.values().map(|sitter| sitter.seat.user.id).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// The sessions that have the document open here.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.members.keys().copied()
    }

    /// How many sessions have the document open here.
    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Whether nobody sits here or is about to.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }
}

fn told(kind: PresenceChangeKind, presence: Presence) -> Effect {
    let origin = Origin { user: presence.user.id, session: Some(presence.session) };
    let event = Event::PresenceChanged(Arc::new(PresenceChange { kind, presence }));
    Effect::Tell { origin, event }
}
