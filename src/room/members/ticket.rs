//! A seat that is given up however its holder ends.

use std::sync::Arc;

use crate::{
    domain::{Cursor, DocumentId, SessionId, Topic, User, Version},
    outbox::Outbox,
    room::{
        AudienceKey, EditorHandle, MakeRenderer, Place, RoomError, RoomHandle, Rooms, Seat,
        SeatEnded, actor::messages::Confirm,
    },
    wire::graphql_ws::OperationId,
};

/// Who asks for a seat, and where its frames go.
#[derive(Clone)]
pub struct Guest {
    /// The session.
    pub session: SessionId,
    /// Whose session it is.
    pub user: User,
    /// Its send buffer.
    pub outbox: Outbox,
    /// What the client calls the subscription; none for a Yjs editor, which has only one seat.
    pub tag: Option<OperationId>,
    /// Who hears when the room ends the seat, if its frames do not say so.
    pub ended: Option<Arc<dyn SeatEnded>>,
}

/// A seat in a room. Dropping it gives the seat up: nothing more is queued for it, and what waits goes.
pub struct Ticket {
    place: Place,
    room: RoomHandle,
}

impl Ticket {
    /// Holds a seat in the document's room, which is opened if need be. Read the guest's access after this, then
    /// [`confirm`](Self::confirm).
    ///
    /// # Cancel safety
    /// Nothing stays reserved when the future is dropped.
    ///
    /// # Errors
    /// [`RoomError::Unavailable`] when the room could not be opened.
    pub async fn reserve(
        rooms: &Rooms,
        guest: &Guest,
        document: DocumentId,
        topic: Topic,
    ) -> Result<Self, RoomError> {
        loop {
            let seat = Arc::new(Seat::new(document, topic, guest.session, guest.user.clone()));
            let place = Place {
                seat,
                outbox: guest.outbox.clone(),
                tag: guest.tag.clone(),
                ended: guest.ended.clone(),
            };
            // The ticket is there before the seat, so that whoever stops waiting for it gives it up.
            let ticket = Self { place, room: rooms.open(document).await };
            match ticket.room.reserve(Arc::clone(&ticket.place.seat)).await {
                Ok(()) => return Ok(ticket),
                Err(RoomError::Closed) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes the seat for good; with `since`, what was stored after that version comes first. `stored` is the version
    /// that the store had: the room may not have told of it yet.
    ///
    /// # Errors
    /// [`RoomError::SeatVoided`] when access was revoked since it was reserved, [`RoomError::SinceInFuture`],
    /// [`RoomError::Closed`].
    pub async fn confirm(
        &self,
        key: AudienceKey,
        since: Option<Version>,
        stored: Option<Version>,
        make: MakeRenderer,
    ) -> Result<(), RoomError> {
        self.room.confirm(Confirm { place: self.place.clone(), key, since, stored, make }).await
    }

    /// Takes the seat for good, as an editor's.
    ///
    /// # Errors
    /// [`RoomError::SeatVoided`] when access was revoked since it was reserved, [`RoomError::Closed`].
    pub async fn welcome(&self) -> Result<EditorHandle, RoomError> {
        self.room.welcome(self.place.clone()).await?;
        Ok(EditorHandle::new(self.room.clone(), Arc::clone(&self.place.seat)))
    }

    /// The seat.
    #[must_use]
    pub fn seat(&self) -> &Seat {
        &self.place.seat
    }

    /// Moves the cursor of the seat's session.
    pub fn move_cursor(&self, cursor: Cursor) {
        self.room.move_cursor(self.place.seat.session, cursor);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let seat = &self.place.seat;
        seat.end();
        self.place.outbox.end_seat(seat.id, None);
        self.room.leave(seat.id);
    }
}
