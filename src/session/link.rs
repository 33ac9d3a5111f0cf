//! What resolvers may know and use of the session that called them.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::{Limits, Throttled, throttle::Allowance};
use crate::{
    domain::{AccessLevel, Cursor, DocumentId, SessionId, User},
    outbox::Outbox,
    room::{Seat, SeatState, Subscriber, Subscription},
    wire::graphql_ws::OperationId,
};

/// An admitted session, as others see it. It owns the session's seats.
pub struct SessionLink {
    id: SessionId,
    user: User,
    outbox: Outbox,
    cursors: Allowance,
    edits: Allowance,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    taken: HashMap<OperationId, Subscription>,
    /// The session has ended: whatever is still on its way finds no place.
    closed: bool,
}

impl SessionLink {
    pub(super) fn new(id: SessionId, user: User, outbox: Outbox, limits: &Limits) -> Self {
        Self {
            id,
            user,
            outbox,
            cursors: Allowance::per_second("cursor moves", limits.cursors_per_second),
            edits: Allowance::per_second("changes", limits.edits_per_second),
            seats: Mutex::default(),
        }
    }

    /// The session.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Whose session it is.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Returns the session as a subscriber.
    #[must_use]
    pub fn subscriber(&self) -> Subscriber {
        let (session, user) = (self.id, self.user.clone());
        Subscriber { session, user, outbox: self.outbox.clone() }
    }

    /// Moves the session's cursor. False when it does not have the document open.
    ///
    /// # Errors
    /// Too many moves in this second.
    pub fn move_cursor(&self, document: DocumentId, cursor: Cursor) -> Result<bool, Throttled> {
        self.cursors.take()?;
        let seats = self.seats.lock();
        let subscription = seats.taken.values().find(|subscription| {
            subscription.seat().document() == document && subscription.seat().is_confirmed()
        });
        if let Some(subscription) = subscription {
            subscription.move_cursor(cursor);
        }
        Ok(subscription.is_some())
    }

    /// Whether the session has the document open.
    #[must_use]
    pub fn has_open(&self, document: DocumentId) -> bool {
        let seats = self.seats.lock();
        seats.taken.values().any(|subscription| {
            subscription.seat().document() == document && subscription.seat().is_confirmed()
        })
    }

    /// What the session's user may do with the document, as far as its seats there know.
    #[must_use]
    pub fn level(&self, document: DocumentId) -> Option<AccessLevel> {
        let seats = self.seats.lock();
        seats
            .taken
            .values()
            .map(Subscription::seat)
            .find(|seat| seat.document() == document && seat.is_confirmed())
            .and_then(Seat::level)
    }

    /// Takes one cursor move of this second's allowance.
    ///
    /// # Errors
    /// Too many moves in this second.
    pub fn take_cursor(&self) -> Result<(), Throttled> {
        self.cursors.take()
    }

    /// Takes one change of this second's allowance.
    ///
    /// # Errors
    /// Too many changes in this second.
    pub fn take_edit(&self) -> Result<(), Throttled> {
        self.edits.take()
    }

    /// Keeps the seat of a subscription. It is given up at once when the session has ended meanwhile.
    pub(super) fn keep(&self, id: OperationId, subscription: Subscription) {
        let refused = {
            let mut seats = self.seats.lock();
            if seats.closed { Some(subscription) } else { seats.taken.insert(id, subscription) }
        };
        // Given up outside the lock: it speaks to the room.
        drop(refused);
    }

    /// Whether a subscription is still being told of events.
    pub(super) fn is_listening(&self, id: &OperationId) -> bool {
        let seats = self.seats.lock();
        seats
            .taken
            .get(id)
            .is_some_and(|subscription| subscription.seat().state() != SeatState::Ended)
    }

    /// Forgets the seats that the room has ended.
    pub(super) fn forget_ended(&self) {
        let ended: Vec<_> = {
            let mut seats = self.seats.lock();
            let has_ended =
                |subscription: &Subscription| subscription.seat().state() == SeatState::Ended;
            seats.taken.extract_if(|_, subscription| has_ended(subscription)).collect()
        };
        drop(ended);
    }

    /// Gives one seat up.
    pub(super) fn give_up(&self, id: &OperationId) {
        let subscription = self.seats.lock().taken.remove(id);
        drop(subscription);
    }

    /// Gives every seat up; the session has ended.
    pub(super) fn give_up_all(&self) {
        let taken = {
            let mut seats = self.seats.lock();
            seats.closed = true;
            std::mem::take(&mut seats.taken)
        };
        drop(taken);
    }
}
