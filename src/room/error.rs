//! Why a room did not do what it was asked.

use thiserror::Error;

/// What a room may answer instead of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RoomError {
    /// The room is closing or its actor has ended; a new one can be opened.
    #[error("the room has closed")]
    Closed,
    /// The seat was taken away between reserving and confirming it: access was revoked.
    #[error("the seat was taken away before it was confirmed")]
    SeatVoided,
}
