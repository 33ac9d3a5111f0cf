//! How the refusal of an editor reaches its page.
//!
//! Browsers hide the answer to a refused upgrade, and the provider would try it again and again. So an upgrade that is refused
//! for what the page has sent is accepted, and closed at once with the reason. All other refusals are HTTP answers: the provider
//! tries again, and they cost less.

use super::HttpError;
use crate::{auth::TokenError, session::IdentityError, wire::CloseReason};

/// Returns the reason with which the socket of a refused editor closes; `None` if the refusal is an HTTP answer.
pub(super) fn close_reason(error: &HttpError) -> Option<CloseReason> {
    match error {
        HttpError::NoToken => Some(CloseReason::MissingToken),
        HttpError::Authorization => Some(CloseReason::InvalidToken),
        HttpError::Identity(identity) => match identity {
            // What the page has sent may be right.
            IdentityError::Token(TokenError::NoKeys) | IdentityError::Store(_) => None,
            IdentityError::Token(_)
            | IdentityError::Ticket(_)
            | IdentityError::Unknown
            | IdentityError::SignedOut
            | IdentityError::Blocked => Some(identity.into()),
        },
        HttpError::SeveralCredentials(_)
        | HttpError::EditorAddress(_)
        | HttpError::Malformed(_) => Some(CloseReason::BadMessage(error.to_string().into())),
        HttpError::UnknownSession
        | HttpError::ForeignSession
        | HttpError::Roster(_)
        | HttpError::NeedsEditor
        | HttpError::NeedsProvider
        | HttpError::Origin
        | HttpError::Handshake(_)
        | HttpError::TooLarge { .. }
        | HttpError::TooSlow { .. }
        | HttpError::TooManyInFlight { .. }
        | HttpError::Memory(_)
        | HttpError::ContentType
        | HttpError::ContentEncoding
        | HttpError::NotAcceptable
        | HttpError::OnlyQueries
        | HttpError::NeedsSocket
        | HttpError::Method
        | HttpError::ReadOnly
        | HttpError::UnknownMethod
        | HttpError::AfterLast
        | HttpError::Throttled(_)
        | HttpError::Failed
        | HttpError::Busy
        | HttpError::Draining => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{auth::TicketError, store::StoreError};

    #[test]
    fn every_refusal_of_a_token_or_ticket_has_a_reason() {
        let reason = |error: IdentityError| close_reason(&error.into());
        for error in TokenError::ALL.into_iter().filter(|error| *error != TokenError::NoKeys) {
            assert!(reason(error.into()).is_some(), "{error}");
        }
        for error in TicketError::ALL {
            assert!(reason(error.into()).is_some(), "{error}");
        }
        assert_eq!(reason(TokenError::Expired.into()), Some(CloseReason::TokenExpired));
        assert_eq!(reason(IdentityError::SignedOut), Some(CloseReason::SignedOut));
        assert_eq!(reason(IdentityError::Blocked), Some(CloseReason::Blocked));
        assert_eq!(close_reason(&HttpError::NoToken), Some(CloseReason::MissingToken));
    }

    #[test]
    fn what_may_be_right_later_is_an_http_answer() {
        for error in [
            HttpError::Origin,
            HttpError::Draining,
            IdentityError::Token(TokenError::NoKeys).into(),
            IdentityError::Store(StoreError::unavailable("no connection")).into(),
        ] {
            assert_eq!(close_reason(&error), None, "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_address_fits_a_close_frame() {
        for what in ["two tokens that differ", "a token and a ticket"] {
            let error = HttpError::SeveralCredentials(what);
            let reason = close_reason(&error).unwrap();
            assert_eq!(reason.text(), error.to_string());
        }
    }
}
