//! What all WebSocket upgrades have in common: the origin check, and the token or ticket.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};
use serde::Deserialize;

use super::{HttpError, HttpState, admission::refused, credentials::bearer_token, query_string};
use crate::wire::subprotocol::{offered, token_in};

/// The query string of an upgrade. Browsers cannot set headers on it, so it may carry the token.
#[derive(Deserialize)]
struct UpgradeQuery {
    token: Option<String>,
}

/// The part of the query string that only the upgrade of an editor has.
#[derive(Deserialize)]
struct TicketQuery {
    ticket: Option<String>,
}

/// What the upgrade of an editor shows.
pub(super) enum EditorCredentials {
    /// The token of a user.
    Token(String),
    /// A ticket, which is redeemed once.
    Ticket(String),
}

/// Returns whether the request asks for an upgrade to a WebSocket.
pub(super) fn is_requested(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().contains("websocket"))
}

/// Checks that the node accepts upgrades, and accepts them from the origin of the request.
///
/// # Errors
/// [`HttpError::Draining`], [`HttpError::Origin`].
pub(super) fn check_allowed(request: &HttpRequest, state: &HttpState) -> Result<(), HttpError> {
    if state.draining.has_begun() {
        return Err(HttpError::Draining);
    }
    if !state.origins.admits(request) {
        return Err(HttpError::Origin);
    }
    Ok(())
}

/// Checks that the request asks for version 13 and has no body. The framework would also accept versions 7 and 8, and a body.
///
/// # Errors
/// [`HttpError::Handshake`].
pub(super) fn check_handshake(headers: &HeaderMap) -> Result<(), HttpError> {
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(HttpError::Handshake("Sec-WebSocket-Version is not 13".to_owned()));
    }
    if body_bytes(headers) > 0 {
        return Err(HttpError::Handshake("the request has a body".to_owned()));
    }
    Ok(())
}

/// Counts and logs an upgrade that is refused because of `error`. Returns the error, or that the address of the client
/// exceeds its limit.
pub(super) async fn refuse(
    request: &HttpRequest,
    state: &HttpState,
    error: HttpError,
) -> HttpError {
    let error = refused(request, state, error).await;
    state.refusals.note(&error);
    error
}

/// Returns the most bytes that the body of a request may have (RFC 9112, section 6.3): any number if it is chunked.
pub(super) fn body_bytes(headers: &HeaderMap) -> u64 {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return u64::MAX;
    }
    let length = headers.get(header::CONTENT_LENGTH);
    length.map_or(0, |length| length.to_str().ok().and_then(|n| n.parse().ok()).unwrap_or(u64::MAX))
}

/// Returns the token of an upgrade, if it carries one: in the `Authorization` header, as a subprotocol, or in the query string.
///
/// # Errors
/// [`HttpError::Malformed`] for the query string, [`HttpError::Authorization`] for the header,
/// [`HttpError::SeveralCredentials`] if the tokens differ.
pub(super) fn token(request: &HttpRequest) -> Result<Option<String>, HttpError> {
    let UpgradeQuery { token: in_address } = query_string::parse(request.query_string())?;
    let in_header = bearer_token(request)?;
    let protocols = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    let protocols = offered(protocols.filter_map(|value| value.to_str().ok()));
    let mut tokens =
        in_header.into_iter().chain(protocols.filter_map(token_in)).chain(in_address.as_deref());
    let Some(token) = tokens.next() else { return Ok(None) };
    if tokens.any(|other| other != token) {
        return Err(HttpError::SeveralCredentials("two tokens that differ"));
    }
    Ok(Some(token.to_owned()))
}

/// Returns what the upgrade of an editor shows, if it shows anything.
///
/// # Errors
/// As [`token`], and [`HttpError::SeveralCredentials`] if there is a ticket as well.
pub(super) fn editor_credentials(
    request: &HttpRequest,
) -> Result<Option<EditorCredentials>, HttpError> {
    let TicketQuery { ticket } = query_string::parse(request.query_string())?;
    match (token(request)?, ticket) {
        (Some(_), Some(_)) => Err(HttpError::SeveralCredentials("a token and a ticket")),
        (Some(token), None) => Ok(Some(EditorCredentials::Token(token))),
        (None, Some(ticket)) => Ok(Some(EditorCredentials::Ticket(ticket))),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn upgrade(query: &str, headers: &[(header::HeaderName, &str)]) -> HttpRequest {
        let request = TestRequest::with_uri(&format!("/sync/x{query}"));
        let request = headers.iter().cloned().fold(request, TestRequest::append_header);
        request.to_http_request()
    }

    #[test]
    fn a_token_is_found_wherever_it_is() {
        let protocols = (header::SEC_WEBSOCKET_PROTOCOL, "coscribe, bearer.a.b-c_d.e");
        let bearer = (header::AUTHORIZATION, "Bearer a.b-c_d.e");
        for request in [
            upgrade("?token=a.b-c_d.e", &[]),
            upgrade("", std::slice::from_ref(&protocols)),
            upgrade("", std::slice::from_ref(&bearer)),
            upgrade("?token=a.b-c_d.e", &[protocols, bearer]),
        ] {
            assert_eq!(token(&request).unwrap().as_deref(), Some("a.b-c_d.e"));
        }
        let none = upgrade("?saved=true", &[(header::SEC_WEBSOCKET_PROTOCOL, "coscribe")]);
        assert_eq!(token(&none).unwrap(), None);
    }

    #[test]
    fn tokens_that_differ_are_refused() {
        let protocols = |offered| [(header::SEC_WEBSOCKET_PROTOCOL, offered)];
        for request in [
            upgrade("?token=a", &protocols("coscribe, bearer.b")),
            upgrade("", &protocols("bearer.a, bearer.b")),
            upgrade("?token=a", &[(header::AUTHORIZATION, "Bearer b")]),
        ] {
            let refused = token(&request).unwrap_err();
            assert!(refused.to_string().contains("two tokens that differ"), "{refused}");
        }
    }

    #[test]
    fn an_editor_shows_a_token_or_a_ticket() {
        let shown = |query| editor_credentials(&upgrade(query, &[]));
        assert!(matches!(shown("?token=a"), Ok(Some(EditorCredentials::Token(a))) if a == "a"));
        assert!(matches!(shown("?ticket=a"), Ok(Some(EditorCredentials::Ticket(a))) if a == "a"));
        assert!(matches!(shown(""), Ok(None)));
        assert!(matches!(shown("?token=a&ticket=a"), Err(HttpError::SeveralCredentials(_))));
        assert!(matches!(shown("?ticket=a&ticket=a"), Err(HttpError::Malformed(_))));
    }
}
