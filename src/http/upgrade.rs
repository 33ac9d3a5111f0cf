//! What all WebSocket upgrades have in common: the origin check and the token.

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderMap},
};
use serde::Deserialize;

use super::{HttpError, HttpState, credentials::bearer_token, query_string};

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

/// Returns the token of an upgrade, if it carries one. The `Authorization` header takes precedence over the query string.
///
/// # Errors
/// [`HttpError::Malformed`] for the query string, [`HttpError::Authorization`] for the header.
pub(super) fn token(request: &HttpRequest) -> Result<Option<String>, HttpError> {
    let UpgradeQuery { token } = query_string::parse(request.query_string())?;
    Ok(bearer_token(request)?.map(str::to_owned).or(token))
}
