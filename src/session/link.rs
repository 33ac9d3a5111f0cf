//! A session as resolvers and rooms see it.
//!
//! [`SessionLink`] owns the seats of the session's subscriptions and its rate limits. It knows which documents the session
//! has open, and moves its cursor.
//!
//! Invariant: after [`give_up_all`](SessionLink::give_up_all) the session holds no seat, and gets no new one.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use parking_lot::Mutex;

use super::{Limits, Throttled, throttle::Allowance};
use crate::{
    domain::{AccessLevel, Cursor, DocumentId, Network, SessionId, SignIn, User},
    outbox::Outbox,
    room::{Seat, SeatState, Subscriber, Subscription},
    wire::{graphql_ws::OperationId, hocuspocus::SocketName},
};

/// The client of an admitted session.
pub(super) struct LinkClient {
    pub(super) user: User,
    /// The sign-in of its newest token.
    pub(super) sign_in: Arc<Mutex<SignIn>>,
    /// Its network, if it is known.
    pub(super) network: Option<Network>,
}

/// An admitted session. It owns the seats of its subscriptions.
pub struct SessionLink {
    id: SessionId,
    user: User,
    network: Option<Network>,
    /// The sign-in of the client's newest token. The list of the user's sessions shares it.
    sign_in: Arc<Mutex<SignIn>>,
    outbox: Outbox,
    cursors: Allowance,
    edits: Allowance,
    seats: Mutex<Seats>,
}

#[derive(Default)]
struct Seats {
    taken: HashMap<OperationId, Subscription>,
    /// Whether the session has ended. A seat that arrives afterwards is given up.
    closed: bool,
}

impl SessionLink {
    /// Creates the link of a session that has just been admitted.
    pub(super) fn new(id: SessionId, client: LinkClient, outbox: Outbox, limits: &Limits) -> Self {
        Self {
            id,
            user: client.user,
            network: client.network,
            sign_in: client.sign_in,
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

    /// Returns the sign-in of the client's newest token.
    #[must_use]
    pub fn sign_in(&self) -> SignIn {
        *self.sign_in.lock()
    }

    /// Notes a newer token with this sign-in, which expires at `renewed`. Returns when the session expires, which was `expires_at`. A token
    /// that expires sooner does not shorten it, so the session stays with the sign-in of the token that it lives by.
    pub(super) fn renew(
        &self,
        sign_in: SignIn,
        renewed: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> DateTime<Utc> {
        let mut present = self.sign_in.lock();
        if renewed >= expires_at || present.id == sign_in.id {
            *present = sign_in;
        }
        renewed.max(expires_at)
    }

    /// Returns the network of the client, if it is known.
    #[must_use]
    pub fn network(&self) -> Option<Network> {
        self.network
    }

    /// Returns the session as a subscriber.
    #[must_use]
    pub fn subscriber(&self) -> Subscriber {
        let (session, user) = (self.id, self.user.clone());
        Subscriber { session, user, outbox: self.outbox.clone(), name: None }
    }

    /// Returns the session as a subscriber of a document that has this name on its socket.
    pub(super) fn named_subscriber(&self, name: SocketName) -> Subscriber {
        Subscriber { name: Some(name), ..self.subscriber() }
    }

    /// Moves the session's cursor. Returns false if the session does not have the document open.
    ///
    /// # Errors
    /// [`Throttled`] if the session moved its cursor too often in this second.
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

    /// Returns whether the session has the document open.
    #[must_use]
    pub fn has_open(&self, document: DocumentId) -> bool {
        let seats = self.seats.lock();
        seats.taken.values().any(|subscription| {
            subscription.seat().document() == document && subscription.seat().is_confirmed()
        })
    }

    /// Returns the user's access level for the document, as known to the session's seat there. `None` without a seat.
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
    pub(super) fn keep(&self, id: OperationId, subscription: Subscription) {
        let refused = {
            let mut seats = self.seats.lock();
            if seats.closed { Some(subscription) } else { seats.taken.insert(id, subscription) }
        };
        // Dropping a seat sends a message to its room, so it happens outside the lock.
        drop(refused);
    }

    /// Returns whether a subscription still receives events.
    pub(super) fn is_subscribed(&self, id: &OperationId) -> bool {
        let seats = self.seats.lock();
        seats
            .taken
            .get(id)
            .is_some_and(|subscription| subscription.seat().state() != SeatState::Ended)
    }

    /// Removes the seats that the room has ended.
    pub(super) fn forget_ended(&self) {
        let ended: Vec<_> = {
            let mut seats = self.seats.lock();
            let has_ended =
                |subscription: &Subscription| subscription.seat().state() == SeatState::Ended;
            seats.taken.extract_if(|_, subscription| has_ended(subscription)).collect()
        };
        drop(ended);
    }

    /// Gives up the seat of one subscription, if there is one.
    pub(super) fn give_up(&self, id: &OperationId) {
        let subscription = self.seats.lock().taken.remove(id);
        drop(subscription);
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
