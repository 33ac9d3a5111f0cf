//! Who is asking: the token of a request, and the session it is made for.

use actix_web::{HttpRequest, http::header::AUTHORIZATION};

use super::{HttpError, HttpParts};
use crate::{
    domain::{SessionId, UserId},
    graphql::Caller,
    session::Identified,
};

/// The header that names the session for which a request is made.
pub(super) const SESSION_HEADER: &str = "x-session-id";

/// The bearer token of the `Authorization` header (RFC 6750, section 2.1), if there is one.
///
/// # Errors
/// The header says something else.
pub(super) fn bearer(request: &HttpRequest) -> Result<Option<&str>, HttpError> {
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

/// Who sent a request, and for which session.
///
/// # Errors
/// A bad token, or a session that is not open or not the user's own.
pub(super) async fn caller(request: &HttpRequest, parts: &HttpParts) -> Result<Caller, HttpError> {
    let Some(token) = bearer(request)? else { return Ok(Caller::Nobody) };
    let Identified { user, .. } = parts.identity.of(token).await?;
    let session = session(request, parts, user.id).await?;
    Ok(Caller::Request { user, session })
}

async fn session(
    request: &HttpRequest,
    parts: &HttpParts,
    user: UserId,
) -> Result<Option<SessionId>, HttpError> {
    let Some(value) = request.headers().get(SESSION_HEADER) else { return Ok(None) };
    let named = value.to_str().ok().and_then(|id| id.parse::<SessionId>().ok());
    let session = named.ok_or(HttpError::UnknownSession)?;
    match parts.roster.find_session_owner(session, user).await? {
        Some(owner) if owner == user => Ok(Some(session)),
        Some(_somebody_else) => {
            parts.metrics.permission_denied();
            Err(HttpError::ForeignSession)
        }
        None => Err(HttpError::UnknownSession),
    }
}
