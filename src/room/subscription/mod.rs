//! A session's hold on a seat, and the one way to get it.
//!
//! [`Subscription::admit`] reserves a seat, reads the access level, and confirms the seat. In this order a revocation that
//! happens in between voids the pending seat, so no revoked user is admitted. Both protocols use it.

use std::{future::Future, sync::Arc};

use crate::{
    domain::{AccessLevel, Cursor, DocumentId, Topic},
    quota::HeldDocument,
    room::{Confirmation, EditorHandle, RoomError, RoomHandle, Rooms, Seat, Subscriber},
};

/// How a protocol takes part in the admission of a subscriber.
pub trait Admission: Sync {
    /// Why the protocol refuses a subscriber.
    type Error: From<RoomError>;

    /// Reads the user's access level, and the access version at which it is read.
    ///
    /// # Errors
    /// The user may not view the document, or the level could not be read.
    fn read_access(&self) -> impl Future<Output = Result<(AccessLevel, i64), Self::Error>> + Send;

    /// Returns how the seat is to be confirmed. Called after the level was read.
    ///
    /// # Errors
    /// What the confirmation needs could not be read.
    fn confirmation(&self) -> impl Future<Output = Result<Confirmation, Self::Error>> + Send;
}

/// A seat in a room. Dropping it gives the seat up: nothing more is queued for it, and what is queued is removed.
pub struct Subscription {
    seat: Arc<Seat>,
    room: RoomHandle,
    /// Counts the document as open for the user.
    _open: HeldDocument,
}

impl Subscription {
    /// Admits a subscriber to a document. Opens the room if necessary.
    ///
    /// `has_open` is whether the session has a confirmed seat on the document. Otherwise the level is read once before the
    /// room is opened; without this, anybody could open rooms of documents that do not exist.
    ///
    /// # Cancel safety
    /// Dropping the future releases the reservation.
    ///
    /// # Errors
    /// The errors of `admission`; from the room [`RoomError::SeatVoided`] if access was revoked meanwhile,
    /// [`RoomError::SinceInFuture`], [`RoomError::TooManyOpen`] and [`RoomError::Unavailable`].
    pub async fn admit<A: Admission>(
        rooms: &Rooms,
        subscriber: &Subscriber,
        (document, topic): (DocumentId, Topic),
        has_open: bool,
        admission: &A,
    ) -> Result<Self, A::Error> {
        if !has_open {
            admission.read_access().await?;
        }
        let mut was_voided = false;
        loop {
            let subscription = Self::reserve(rooms, subscriber, document, topic).await?;
            let (level, access_version) = admission.read_access().await?;
            subscription.seat.note_level(level, access_version);
            let confirmation = admission.confirmation().await?;
            let seat = Arc::clone(&subscription.seat);
            match subscription.room.confirm(seat, confirmation).await {
                Ok(()) => return Ok(subscription),
                // The seat was taken away while the level was read, and the room closed. The next round reads the level
                // again and finds out why.
                Err(RoomError::Closed) => {}
                // The change of access may have been older than the level. The next round finds out.
                Err(RoomError::SeatVoided) if !was_voided => was_voided = true,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn reserve(
        rooms: &Rooms,
        subscriber: &Subscriber,
        document: DocumentId,
        topic: Topic,
    ) -> Result<Self, RoomError> {
        loop {
            let seat = Arc::new(Seat::new(document, topic, subscriber.clone()));
            // The guard exists before the seat does, so a cancelled reservation is given up as well.
            let open = rooms.hold_open(subscriber.user.id, document)?;
            let subscription = Self { seat, room: rooms.open(document).await, _open: open };
            match subscription.room.reserve(Arc::clone(&subscription.seat)).await {
                Ok(()) => return Ok(subscription),
                Err(RoomError::Closed) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the seat.
    #[must_use]
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Returns a handle for the seat's Yjs editor.
    #[must_use]
    pub fn editor(&self) -> EditorHandle {
        EditorHandle::new(self.room.clone(), Arc::clone(&self.seat))
    }

    /// Moves the session's cursor.
    pub fn move_cursor(&self, cursor: Cursor) {
        self.room.move_cursor(self.seat.session(), cursor);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.seat.end();
        self.seat.outbox().end_seat(self.seat.id(), None);
        self.room.leave(self.seat.id());
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
