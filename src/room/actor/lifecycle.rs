//! Whether a room takes seats and edits, and when it closes.

use actix::SpawnHandle;

use super::registration::Registration;
use crate::{metrics::GaugeGuard, room::RoomError};

/// The lifecycle of a room.
pub(super) struct Lifecycle {
    /// Keeps the room on the list of open rooms.
    registration: Registration,
    /// The head could not be read, so the room is useless.
    is_unreadable: bool,
    is_closing: bool,
    /// The node is shutting down: close as soon as nothing is being stored.
    must_close: bool,
    /// The timer that closes an idle room.
    lingering: Option<SpawnHandle>,
    _counted: GaugeGuard,
}

impl Lifecycle {
    pub(super) fn new(registration: Registration, counted: GaugeGuard) -> Self {
        Self {
            registration,
            is_unreadable: false,
            is_closing: false,
            must_close: false,
            lingering: None,
            _counted: counted,
        }
    }

    /// Whether the room takes seats and edits.
    ///
    /// # Errors
    /// [`RoomError::Unavailable`] if its head could not be read, [`RoomError::Closed`] if it is closing.
    pub(super) fn check_open(&self) -> Result<(), RoomError> {
        if self.is_unreadable {
            return Err(RoomError::Unavailable);
        }
        if self.is_closing {
            return Err(RoomError::Closed);
        }
        Ok(())
    }

    /// Notes that the head could not be read.
    pub(super) fn set_unreadable(&mut self) {
        self.is_unreadable = true;
    }

    /// Whether the room is closing.
    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Notes that the room is closing. A caller that opens the document waits until the room is gone.
    pub(super) fn begin_closing(&mut self) {
        self.is_closing = true;
        self.registration.close();
    }

    /// Has the room close as soon as nothing is being stored.
    pub(super) fn shut_down(&mut self) {
        self.must_close = true;
    }

    /// Whether the room has to close as soon as nothing is being stored.
    pub(super) fn is_shutting_down(&self) -> bool {
        self.must_close
    }

    /// Replaces the timer that closes an idle room. Returns the old one, to be cancelled.
    pub(super) fn set_lingering(&mut self, timer: Option<SpawnHandle>) -> Option<SpawnHandle> {
        std::mem::replace(&mut self.lingering, timer)
    }
}
