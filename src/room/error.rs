//! Why a room did not do what it was asked.

use thiserror::Error;

use crate::domain::Version;

/// What a room may answer instead of what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RoomError {
    /// The room is closing or its actor has ended; a new one can be opened.
    #[error("the room has closed")]
    Closed,
    /// The seat was taken away between reserving and confirming it: access was revoked.
    #[error("the seat was taken away before it was confirmed")]
    SeatVoided,
    /// The replay that was asked for would begin after the last change.
    #[error("the document is at version {head} only")]
    SinceInFuture {
        /// The version that the document has.
        head: Version,
    },
    /// Where the document stands could not be read.
    #[error("the document could not be opened")]
    Unavailable,
}
