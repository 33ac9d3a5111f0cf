//! How an editor's session speaks to the room.

use std::sync::Arc;

use super::{RoomHandle, Seat, actor::yjs_messages::EditorAwareness};
use crate::domain::AccessLevel;

/// An editor's seat, as its session sees it. Cheap to clone; it does not keep the seat.
#[derive(Clone)]
pub struct EditorHandle {
    room: RoomHandle,
    seat: Arc<Seat>,
}

impl EditorHandle {
    pub(in crate::room) fn new(room: RoomHandle, seat: Arc<Seat>) -> Self {
        Self { room, seat }
    }

    /// The seat.
    #[must_use]
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Whether its user may change the document, as far as this node has heard.
    #[must_use]
    pub fn may_edit(&self) -> bool {
        self.seat.level().is_some_and(|level| level.allows(AccessLevel::Edit))
    }

    /// Has everything sent that an editor misses which knows so much of each client. It comes behind what waits.
    pub async fn synchronise(&self, clocks: Vec<(u64, u32)>) {
        self.room.synchronise(self.seat.id, clocks).await;
    }

    /// Has the editor asked for what it has and the document does not.
    pub async fn question(&self) {
        self.room.question(self.seat.id).await;
    }

    /// Has everybody sent who is here.
    pub async fn ask(&self) {
        self.room.ask(self.seat.id).await;
    }

    /// Tells the others what the editor says of itself. Where the room has no place for it, it is dropped: the next
    /// words say how it is by then.
    pub fn say(&self, words: EditorAwareness) {
        self.room.say(self.seat.id, words);
    }
}
