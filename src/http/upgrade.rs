//! What all WebSocket upgrades have in common: the origin check and the token.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};
use serde::Deserialize;

use super::{HttpError, HttpState, admission::refused, credentials::bearer_token, query_string};

/// The query string of an upgrade. Browsers cannot set headers on it, so it may carry the token.
#[derive(Deserialize)]
struct UpgradeQuery {
    token: Option<String>,
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

/// Returns the token of an upgrade, if it carries one. The `Authorization` header takes precedence over the query string.
///
/// # Errors
/// [`HttpError::Malformed`] for the query string, [`HttpError::Authorization`] for the header.
pub(super) fn token(request: &HttpRequest) -> Result<Option<String>, HttpError> {
    let UpgradeQuery { token } = query_string::parse(request.query_string())?;
    Ok(bearer_token(request)?.map(str::to_owned).or(token))
}
