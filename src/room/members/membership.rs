//! Who has the document open on this node.
//!
//! [`Membership`] receives what happens (a seat was reserved, a cursor moved, access was revoked) and returns effects for the
//! actor to apply. No I/O, no clock, no socket.
//!
//! Invariant: a session is a member exactly while it has a confirmed seat, and `JOINED` and `LEFT` of a session alternate,
//! beginning with `JOINED`.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use indexmap::IndexMap;

use super::seat::{Seat, SeatEnd};
use crate::{
    domain::{
        AccessLevel, Color, Cursor, CursorMove, DocumentId, Event, Origin, Presence,
        PresenceChange, PresenceChangeKind, SessionId, UserId,
    },
    outbox::SeatId,
    room::RoomError,
};

/// A decision for the actor to apply, in the order given.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::room) enum Effect {
    /// Write the member into the roster.
    Enter(Presence),
    /// Remove the member from the roster.
    Exit(SessionId),
    /// Write a member's cursor into the roster.
    Touch {
        /// The member.
        session: SessionId,
        /// Its cursor, if it has one.
        cursor: Option<Cursor>,
        /// The time of the move.
        at: DateTime<Utc>,
    },
    /// Broadcast an event to the subscribers here and publish it to the other nodes.
    Broadcast {
        /// Who caused the event and does not receive it.
        origin: Origin,
        /// The event.
        event: Event,
    },
    /// Take a seat away, pending or confirmed.
    Evict {
        /// The seat.
        seat: SeatId,
        /// What its client is told.
        reason: SeatEnd,
    },
}

#[derive(Debug)]
struct Member {
    presence: Presence,
    /// The number of confirmed seats, at least one.
    seats: usize,
}

#[derive(Debug)]
struct Reservation {
    seat: Arc<Seat>,
    confirmed: bool,
}

/// The members of a room and their seats.
#[derive(Debug)]
pub(in crate::room) struct Membership {
    document: DocumentId,
    members: IndexMap<SessionId, Member>,
    seats: HashMap<SeatId, Reservation>,
}

impl Membership {
    /// Returns an empty room.
    pub(in crate::room) fn new(document: DocumentId) -> Self {
        Self { document, members: IndexMap::new(), seats: HashMap::new() }
    }

    /// Reserves a seat while its user's access level is being read.
    pub(in crate::room) fn reserve(&mut self, seat: Arc<Seat>) {
        self.seats.insert(seat.id(), Reservation { seat, confirmed: false });
    }

    /// Admits a reserved seat. The first seat of a session makes it a member.
    ///
    /// # Errors
    /// [`RoomError::SeatVoided`] if the seat was taken away since it was reserved.
    pub(in crate::room) fn confirm(
        &mut self,
        seat: SeatId,
        now: DateTime<Utc>,
    ) -> Result<Vec<Effect>, RoomError> {
        let reservation = self.seats.get_mut(&seat).ok_or(RoomError::SeatVoided)?;
        if std::mem::replace(&mut reservation.confirmed, true) {
            return Ok(vec![]);
        }
        let (session, user) = (reservation.seat.session(), reservation.seat.user());
        if let Some(member) = self.members.get_mut(&session) {
            member.seats += 1;
            return Ok(vec![]);
        }
        let presence = Presence {
            document: self.document,
            session,
            user: user.clone(),
            color: Color::of(self.document, user.id),
            cursor: None,
            joined_at: now,
            last_seen: now,
        };
        self.members.insert(session, Member { presence: presence.clone(), seats: 1 });
        let joined = presence_changed(PresenceChangeKind::Joined, presence.clone());
        Ok(vec![Effect::Enter(presence), joined])
    }

    /// Removes a seat. The last seat of a session ends its membership.
    pub(in crate::room) fn leave(&mut self, seat: SeatId) -> Vec<Effect> {
        let Some(reservation) = self.seats.remove(&seat) else { return vec![] };
        if !reservation.confirmed {
            return vec![];
        }
        let session = reservation.seat.session();
        let Some(member) = self.members.get_mut(&session) else { return vec![] };
        member.seats -= 1;
        if member.seats > 0 {
            return vec![];
        }
        let Some(member) = self.members.shift_remove(&session) else { return vec![] };
        vec![Effect::Exit(session), presence_changed(PresenceChangeKind::Left, member.presence)]
    }

    /// Takes seats away, each for its own reason.
    pub(in crate::room) fn evict(&mut self, seats: Vec<(SeatId, SeatEnd)>) -> Vec<Effect> {
        // All evictions come first, so that no evicted subscriber receives the departure of another or of itself.
        let evict = |&(seat, reason): &(SeatId, SeatEnd)| Effect::Evict { seat, reason };
        let mut effects: Vec<_> = seats.iter().map(evict).collect();
        for (seat, _) in seats {
            effects.extend(self.leave(seat));
        }
        effects
    }

    /// Takes every seat of a user away, pending ones included: access was revoked at an access version, if that is known.
    /// Seats whose level was read at that version or later stay.
    pub(in crate::room) fn revoke(
        &mut self,
        user: UserId,
        access_version: Option<i64>,
    ) -> Vec<Effect> {
        self.evict_all(SeatEnd::Revoked, |seat| {
            seat.user().id == user && seat.precedes(access_version)
        })
    }

    /// Takes every seat away: the document was deleted.
    pub(in crate::room) fn delete(&mut self) -> Vec<Effect> {
        self.evict_all(SeatEnd::Deleted, |_| true)
    }

    fn evict_all(&mut self, reason: SeatEnd, is_chosen: impl Fn(&Seat) -> bool) -> Vec<Effect> {
        let seats = self.seats.values().map(|reservation| &reservation.seat);
        let mut seats: Vec<_> =
            seats.filter(|seat| is_chosen(seat)).map(|seat| (seat.id(), reason)).collect();
        seats.sort_unstable_by_key(|(seat, _)| *seat);
        self.evict(seats)
    }

    /// Whether a seat of a user has a level that was read at an access version or later.
    pub(in crate::room) fn has_newer_level(&self, user: UserId, access_version: i64) -> bool {
        let mut seats = self.seats.values().map(|reservation| &reservation.seat);
        seats.any(|seat| seat.user().id == user && !seat.precedes(Some(access_version)))
    }

    /// Whether a seat has a level that was read after an access version.
    pub(in crate::room) fn is_newer_than(&self, access_version: i64) -> bool {
        let mut seats = self.seats.values().map(|reservation| &reservation.seat);
        seats.any(|seat| !seat.precedes(Some(access_version + 1)))
    }

    /// Forgets the access versions of all levels, because the database has lost them.
    pub(in crate::room) fn forget_access_versions(&mut self) {
        for Reservation { seat, .. } in self.seats.values() {
            seat.forget_access_version();
        }
    }

    /// Sets a user's access level, which changed at an access version, if that is known. Returns whether an admitted seat had
    /// another level, which its client has to be told.
    pub(in crate::room) fn change_level(
        &mut self,
        user: UserId,
        level: AccessLevel,
        access_version: Option<i64>,
    ) -> bool {
        let mut is_news = false;
        for Reservation { seat, confirmed } in self.seats.values() {
            if seat.user().id == user && seat.precedes(access_version) {
                is_news |= *confirmed && seat.level() != Some(level);
                seat.set_level(level, access_version);
            }
        }
        is_news
    }

    /// Moves a member's cursor. Has no effect for a session that is not a member.
    pub(in crate::room) fn move_cursor(
        &mut self,
        session: SessionId,
        cursor: Cursor,
        now: DateTime<Utc>,
    ) -> Vec<Effect> {
        let Some(Member { presence, .. }) = self.members.get_mut(&session) else { return vec![] };
        presence.cursor = Some(cursor);
        presence.last_seen = now;
        let origin = Origin { user: presence.user.id, session: Some(session) };
        let moved = Arc::new(cursor_move(presence, cursor));
        vec![
            Effect::Broadcast { origin, event: Event::CursorMoved(moved) },
            Effect::Touch { session, cursor: Some(cursor), at: now },
        ]
    }

    /// Removes a member's cursor from the text. No event says so; a query of the presence shows it.
    pub(in crate::room) fn remove_cursor(
        &mut self,
        session: SessionId,
        now: DateTime<Utc>,
    ) -> Vec<Effect> {
        let Some(Member { presence, .. }) = self.members.get_mut(&session) else { return vec![] };
        presence.cursor = None;
        presence.last_seen = now;
        vec![Effect::Touch { session, cursor: None, at: now }]
    }

    /// Returns a member's cursor, if it has one. None for a session that is not a member.
    pub(in crate::room) fn cursor_of(&self, session: SessionId) -> Option<Option<Cursor>> {
        self.members.get(&session).map(|member| member.presence.cursor)
    }

    /// Returns the last move of every member that has a cursor.
    pub(in crate::room) fn cursors(&self) -> impl Iterator<Item = CursorMove> {
        self.presences()
            .filter_map(|presence| presence.cursor.map(|cursor| cursor_move(presence, cursor)))
    }

    /// Returns the presence of every member.
    pub(in crate::room) fn presences(&self) -> impl Iterator<Item = &Presence> {
        self.members.values().map(|member| &member.presence)
    }

    /// Returns every user with a seat, pending ones included, once.
    pub(in crate::room) fn users(&self) -> Vec<UserId> {
        let mut users: Vec<_> =
            self.seats.values().map(|reserved| reserved.seat.user().id).collect();
        users.sort_unstable();
        users.dedup();
        users
    }

    /// Returns the sessions of all members.
    pub(in crate::room) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        self.members.keys().copied()
    }

    /// Returns the number of members.
    pub(in crate::room) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no seat, not even a pending one.
    pub(in crate::room) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }
}

fn cursor_move(presence: &Presence, cursor: Cursor) -> CursorMove {
    CursorMove {
        document: presence.document,
        session: presence.session,
        user: presence.user.clone(),
        color: presence.color,
        cursor,
        at: presence.last_seen,
    }
}

fn presence_changed(kind: PresenceChangeKind, presence: Presence) -> Effect {
    let origin = Origin { user: presence.user.id, session: Some(presence.session) };
    let event = Event::PresenceChanged(Arc::new(PresenceChange { kind, presence }));
    Effect::Broadcast { origin, event }
}
