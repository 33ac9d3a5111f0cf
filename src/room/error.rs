//! The errors of a room.

use thiserror::Error;

use crate::{domain::Version, quota::QuotaExceeded};

/// Why a room refuses a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RoomError {
    /// The room is closing or has ended. A new one can be opened.
    #[error("the room has closed")]
    Closed,
    /// The seat was taken away after it was reserved: access was revoked or the document deleted.
    #[error("the seat was taken away before it was confirmed")]
    SeatVoided,
    /// The requested replay would begin after the last change.
    #[error("the document is at version {head} only")]
    SinceInFuture {
        /// The head of the document.
        head: Version,
    },
    /// The user subscribes to the document with too many different operations.
    #[error("the user has {max} different subscriptions to one topic of the document")]
    TooManyAudiences {
        /// The most different operations of one user for one topic of a document.
        max: usize,
    },
    /// The user has too many documents open.
    #[error(transparent)]
    TooManyOpen(#[from] QuotaExceeded),
    /// The head of the document could not be read.
    #[error("the document could not be opened")]
    Unavailable,
}
