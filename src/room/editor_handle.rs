//! How the session of a Yjs editor speaks to the room.

use std::sync::Arc;

use bytes::Bytes;

use super::{EditorAwareness, KnownContent, RoomHandle, Seat};
use crate::wire::yjs::ClientClocks;

/// The seat of a Yjs editor, as its session uses it. Cheap to clone; it does not hold the seat.
#[derive(Clone)]
pub struct EditorHandle {
    room: RoomHandle,
    seat: Arc<Seat>,
}

impl EditorHandle {
    pub(super) fn new(room: RoomHandle, seat: Arc<Seat>) -> Self {
        Self { room, seat }
    }

    /// Returns the seat.
    #[must_use]
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Whether the user may edit the document, as far as this node knows.
    #[must_use]
    pub fn may_edit(&self) -> bool {
        self.seat.may_edit()
    }

    /// Notes whether an update of the editor is not stored. Deletions are in no state vector, so the room cannot know otherwise.
    pub fn note_unstored(&self, has_unstored: bool) {
        self.seat.note_unstored(has_unstored);
    }

    /// Has the room send everything missing from a state vector (sync step 2). It is queued behind what already waits.
    pub async fn request_step_2(&self, state_vector: ClientClocks) {
        self.room.send_step_2(self.seat.id(), state_vector).await;
    }

    /// Has the room ask the editor for what the document does not have (sync step 1).
    pub async fn request_step_1(&self) {
        self.room.send_step_1(self.seat.id()).await;
    }

    /// Returns what the document has if it has everything in these updates of a reader, as after a restart of a page that keeps an
    /// offline copy. `None` if it has not, or the seat ends meanwhile.
    pub async fn find_known(&self, updates: Vec<Bytes>) -> Option<KnownContent> {
        self.room.find_known(self.seat.id(), updates).await
    }

    /// Has the room send every awareness entry.
    pub async fn request_awareness(&self) {
        self.room.send_awareness(self.seat.id()).await;
    }

    /// Announces the editor's awareness state. It is dropped if the room's mailbox is full; the next update replaces it anyway.
    pub fn update_awareness(&self, awareness: EditorAwareness) {
        self.room.update_awareness(self.seat.id(), awareness);
    }

    /// Sends a message of the editor's page to everyone else who has the document open over Hocuspocus. It is dropped if the
    /// room's mailbox is full, and for those who are behind.
    pub fn send_stateless(&self, payload: Arc<str>) {
        self.room.send_stateless(self.seat.id(), payload);
    }
}
