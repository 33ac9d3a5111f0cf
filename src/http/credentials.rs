//! The credentials of a request: its bearer token, and the session that it names.

use actix_web::{HttpRequest, http::header::AUTHORIZATION};

use super::{HttpError, HttpState};
use crate::domain::{SessionId, UserId};

/// The header that names the session to which a request belongs.
const SESSION_HEADER: &str = "x-session-id";

/// Returns the bearer token of the `Authorization` header (RFC 6750, section 2.1), if there is such a header.
///
/// # Errors
/// [`HttpError::Authorization`]: the header has another scheme or no token.
pub(super) fn bearer_token(request: &HttpRequest) -> Result<Option<&str>, HttpError> {
    let Some(value) = request.headers().get(AUTHORIZATION) else { return Ok(None) };
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.trim().split_once(' '))
        .ok_or(HttpError::Authorization)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(HttpError::Authorization);
    }
    Ok(Some(token.trim()))
}

/// Returns the session that a request of `user` names, if it names one.
///
/// # Errors
/// The session is not open or belongs to another user, or it cannot be looked up.
pub(super) async fn find_session_owner(
    request: &HttpRequest,
    state: &HttpState,
    user: UserId,
) -> Result<Option<SessionId>, HttpError> {
    let Some(value) = request.headers().get(SESSION_HEADER) else { return Ok(None) };
    let named = value.to_str().ok().and_then(|id| id.parse::<SessionId>().ok());
    let session = named.ok_or(HttpError::UnknownSession)?;
    match state.roster.find_session_owner(session, user).await? {
        Some(owner) if owner == user => Ok(Some(session)),
        Some(_another_user) => {
            state.metrics.permission_denied();
            Err(HttpError::ForeignSession)
        }
        None => Err(HttpError::UnknownSession),
    }
}
