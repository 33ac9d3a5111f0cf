//! A session as resolvers and rooms see it.
//!
//! [`SessionLink`] owns the seats of the session's subscriptions and its rate limits. It knows which documents the session
//! has open, and moves its cursor.
//!
//! Invariant: after [`give_up_all`](SessionLink::give_up_all) the session holds no seat, and gets no new one.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{Limits, Throttled, throttle::Allowance};
use crate::{
    domain::{AccessLevel, Cursor, DocumentId, SessionId, User},
    outbox::Outbox,
    room::{Guest, Seat, SeatEnded, SeatState, Ticket},
    wire::graphql_ws::OperationId,
};

/// An admitted session. It owns the seats of its subscriptions.
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
    taken: HashMap<OperationId, Ticket>,
    /// Whether the session has ended. A seat that arrives afterwards is given up.
    closed: bool,
}

impl SessionLink {
    /// Creates the link of a session that has just been admitted.
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

    /// Returns the session's id.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Returns the session's user.
    #[must_use]
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Returns the subscriber for a seat that the client calls `tag`.
    #[must_use]
    pub fn guest(&self, tag: OperationId) -> Guest {
        let (session, user) = (self.id, self.user.clone());
        Guest { session, user, outbox: self.outbox.clone(), tag: Some(tag), ended: None }
    }

    /// Returns the subscriber for the seat of a Yjs editor. The room reports through `ended` that it has ended the seat,
    /// since an editor's frames cannot express it.
    pub(super) fn editor(&self, ended: Arc<dyn SeatEnded>) -> Guest {
        let (session, user) = (self.id, self.user.clone());
        Guest { session, user, outbox: self.outbox.clone(), tag: None, ended: Some(ended) }
    }

    /// Moves the session's cursor. Returns false if the session does not have the document open.
    ///
    /// # Errors
    /// [`Throttled`] if the session moved its cursor too often in this second.
    pub fn move_cursor(&self, document: DocumentId, cursor: Cursor) -> Result<bool, Throttled> {
        self.cursors.take()?;
        let seats = self.seats.lock();
        let ticket = seats
            .taken
            .values()
            .find(|ticket| ticket.seat().document == document && ticket.seat().is_confirmed());
        if let Some(ticket) = ticket {
            ticket.move_cursor(cursor);
        }
        Ok(ticket.is_some())
    }

    /// Returns whether the session has the document open.
    #[must_use]
    pub fn has_open(&self, document: DocumentId) -> bool {
        let seats = self.seats.lock();
        seats
            .taken
            .values()
            .any(|ticket| ticket.seat().document == document && ticket.seat().is_confirmed())
    }

    /// Returns the user's access level for the document, as known to the session's seat there. `None` without a seat.
    #[must_use]
    pub fn level(&self, document: DocumentId) -> Option<AccessLevel> {
        let seats = self.seats.lock();
        seats
            .taken
            .values()
            .map(Ticket::seat)
            .find(|seat| seat.document == document && seat.is_confirmed())
            .and_then(Seat::level)
    }

    /// Spends one of the cursor moves that the session has in this second.
    ///
    /// # Errors
    /// [`Throttled`] if none is left.
    pub fn take_cursor(&self) -> Result<(), Throttled> {
        self.cursors.take()
    }

    /// Spends one of the changes that the session has in this second.
    ///
    /// # Errors
    /// [`Throttled`] if none is left.
    pub fn take_edit(&self) -> Result<(), Throttled> {
        self.edits.take()
    }

    /// Keeps the seat of a subscription. Gives it up at once if the session has ended.
    pub(super) fn keep(&self, id: OperationId, ticket: Ticket) {
        let refused = {
            let mut seats = self.seats.lock();
            if seats.closed { Some(ticket) } else { seats.taken.insert(id, ticket) }
        };
        // Dropping a seat sends a message to its room, so it happens outside the lock.
        drop(refused);
    }

    /// Returns whether a subscription still receives events.
    pub(super) fn is_subscribed(&self, id: &OperationId) -> bool {
        let seats = self.seats.lock();
        seats.taken.get(id).is_some_and(|ticket| ticket.seat().state() != SeatState::Ended)
    }

    /// Removes the seats that the room has ended.
    pub(super) fn forget_ended(&self) {
        let ended: Vec<_> = {
            let mut seats = self.seats.lock();
            let has_ended = |ticket: &Ticket| ticket.seat().state() == SeatState::Ended;
            seats.taken.extract_if(|_, ticket| has_ended(ticket)).collect()
        };
        drop(ended);
    }

    /// Gives up the seat of one subscription, if there is one.
    pub(super) fn give_up(&self, id: &OperationId) {
        let ticket = self.seats.lock().taken.remove(id);
        drop(ticket);
    }

    /// Gives up every seat, because the session has ended.
    pub(super) fn give_up_all(&self) {
        let taken = {
            let mut seats = self.seats.lock();
            seats.closed = true;
            std::mem::take(&mut seats.taken)
        };
        drop(taken);
    }
}
