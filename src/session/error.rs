//! What a session's errors mean to its client: the reason to close, each variant placed by hand.

use super::{IdentityError, SessionOptions, heartbeat::Overdue};
use crate::{
    auth::TokenError, room::SeatEnd, roster::SlotError, store::StoreError, wire::CloseReason,
};

/// Why nobody was admitted.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdmissionError {
    /// Neither the upgrade nor `connection_init` brought a token.
    #[error("no token")]
    NoToken,
    /// Nobody could be made out from the token.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The user has too many connections.
    #[error(transparent)]
    Slot(#[from] SlotError),
}

impl From<&AdmissionError> for CloseReason {
    fn from(error: &AdmissionError) -> Self {
        match error {
            AdmissionError::NoToken => Self::MissingToken,
            AdmissionError::Identity(IdentityError::Token(TokenError::Expired)) => {
                Self::TokenExpired
            }
            AdmissionError::Identity(IdentityError::Token(
                TokenError::Malformed
                | TokenError::WrongAlgorithm
                | TokenError::BadSignature
                | TokenError::NotYetValid
                | TokenError::WrongAudience
                | TokenError::WrongIssuer
                | TokenError::BadSubject
                | TokenError::NoExpiry,
            )) => Self::InvalidToken,
            AdmissionError::Identity(IdentityError::Unknown) => Self::InvalidToken,
            AdmissionError::Identity(IdentityError::Store(StoreError::Unavailable(_))) => {
                Self::Unavailable
            }
            AdmissionError::Identity(IdentityError::Store(_)) => Self::InternalError,
            AdmissionError::Slot(SlotError::LimitReached { .. }) => Self::ConnectionLimit,
        }
    }
}

/// The reason to close when the room has ended an editor's seat.
pub(super) fn seat_lost(why: SeatEnd) -> CloseReason {
    match why {
        SeatEnd::Revoked => CloseReason::Forbidden,
        SeatEnd::Deleted => CloseReason::DocumentDeleted,
        SeatEnd::Overflow => CloseReason::TooSlow,
        SeatEnd::Broken => CloseReason::Unavailable,
        SeatEnd::Unrelated => CloseReason::UnrelatedHistory,
    }
}

/// The reason to close when a limit of time has passed.
pub(super) fn overdue(overdue: Overdue, options: &SessionOptions) -> CloseReason {
    match overdue {
        Overdue::Init => CloseReason::InitTimeout,
        Overdue::Silent => CloseReason::Silent { limit: options.silence_allowed },
        Overdue::TooSlow => CloseReason::TooSlow,
        Overdue::Token => CloseReason::TokenExpired,
    }
}
