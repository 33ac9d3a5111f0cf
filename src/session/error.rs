//! What a session's errors mean to its client: the close reason of each error, variant by variant.

use super::{IdentityError, heartbeat::Overdue};
use crate::{
    auth::{TicketError, TokenError},
    room::SeatEnd,
    roster::SlotError,
    store::StoreError,
    wire::CloseReason,
};

/// Why a client was not admitted.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdmissionError {
    /// Neither the upgrade nor `connection_init` carried a token.
    #[error("neither the upgrade nor connection_init carried a token")]
    NoToken,
    /// The token did not lead to an account.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The user has too many sessions.
    #[error(transparent)]
    Slot(#[from] SlotError),
}

impl From<&AdmissionError> for CloseReason {
    fn from(error: &AdmissionError) -> Self {
        match error {
            AdmissionError::NoToken => Self::MissingToken,
            AdmissionError::Identity(error) => error.into(),
            AdmissionError::Slot(SlotError::LimitReached { .. }) => Self::ConnectionLimit,
        }
    }
}

impl From<&IdentityError> for CloseReason {
    fn from(error: &IdentityError) -> Self {
        match error {
            IdentityError::Token(TokenError::Expired) => Self::TokenExpired,
            IdentityError::Token(
                TokenError::Malformed
                | TokenError::WrongType
                | TokenError::WrongAlgorithm
                | TokenError::BadSignature
                | TokenError::UnknownKey
                | TokenError::NotYetValid
                | TokenError::WrongAudience
                | TokenError::WrongIssuer
                | TokenError::BadSubject
                | TokenError::NoTokenId
                | TokenError::BadDocuments
                | TokenError::LivesTooLong
                | TokenError::NoExpiry
                | TokenError::SignInOver,
            ) => Self::InvalidToken,
            IdentityError::Token(TokenError::NoKeys) => Self::Unavailable,
            IdentityError::Ticket(TicketError::Invalid | TicketError::OtherDocument) => {
                Self::InvalidTicket
            }
            IdentityError::Ticket(TicketError::Expired) => Self::TicketExpired,
            IdentityError::Ticket(TicketError::Used) => Self::TicketUsed,
            IdentityError::Unknown => Self::InvalidToken,
            IdentityError::SignedOut => Self::SignedOut,
            IdentityError::Blocked => Self::Blocked,
            IdentityError::Store(
                StoreError::Busy | StoreError::NoAnswer | StoreError::Unavailable(_),
            ) => Self::Unavailable,
            // Looking an account up, or creating it, cannot fail for these reasons unless there is a fault.
            IdentityError::Store(
                StoreError::EmailTaken
                | StoreError::KeyTaken
                | StoreError::NoSuchUser
                | StoreError::Denied
                | StoreError::OwnerKeepsAccess
                | StoreError::Blocked
                | StoreError::TooManyNamed
                | StoreError::NotNamer
                | StoreError::TooManyBlocked
                | StoreError::TooManyAddresses
                | StoreError::Link(_)
                | StoreError::GroupLimit(_)
                | StoreError::HandOver(_)
                | StoreError::OverQuota(_)
                | StoreError::Migration(_)
                | StoreError::Internal(_),
            ) => Self::InternalError,
        }
    }
}

/// Returns the close reason for an editor whose seat the room has ended.
pub(super) fn seat_lost(why: SeatEnd) -> CloseReason {
    match why {
        SeatEnd::Revoked => CloseReason::Forbidden,
        SeatEnd::Deleted => CloseReason::DocumentDeleted,
        SeatEnd::Overflow => CloseReason::TooSlow,
        SeatEnd::Broken | SeatEnd::Repetitive | SeatEnd::NoMemory => CloseReason::Unavailable,
        SeatEnd::Corrupt => CloseReason::InternalError,
        SeatEnd::Unrelated => CloseReason::UnrelatedHistory,
        SeatEnd::TooHeavy => CloseReason::TooHeavy,
    }
}

/// Returns the close reason for a time limit that was exceeded.
pub(super) fn overdue(overdue: Overdue) -> CloseReason {
    match overdue {
        Overdue::Init => CloseReason::InitTimeout,
        Overdue::Silent { limit } => CloseReason::Silent { limit },
        Overdue::Stalled => CloseReason::TooSlow,
        Overdue::Token => CloseReason::TokenExpired,
    }
}
