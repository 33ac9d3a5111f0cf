//! The upgrade to a socket.
//!
//! Origin and token are looked at before the upgrade; an upgrade without a token is made, and its session has to
//! bring one in `connection_init`.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
    web,
};
use serde::Deserialize;

use super::{HttpError, HttpParts, who::bearer};
use crate::session;

/// What the address of an upgrade may carry: browsers cannot set headers on it.
#[derive(Deserialize)]
struct SocketQuery {
    token: Option<String>,
}

/// Whether a request asks to become a socket.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().contains("websocket"))
}

/// Whether an upgrade is made at all.
///
/// # Errors
/// A foreign page, or a node that is going down.
pub(super) fn admit(request: &HttpRequest, parts: &HttpParts) -> Result<(), HttpError> {
    if parts.draining.has_begun() {
        return Err(HttpError::Draining);
    }
    if !parts.origins.admit(request) {
        return Err(HttpError::Origin);
    }
    Ok(())
}

/// Opens a socket.
///
/// # Errors
/// A foreign page, a bad token, a broken handshake, or a node that is going down.
pub(super) async fn open(
    request: &HttpRequest,
    payload: web::Payload,
    parts: &HttpParts,
) -> Result<HttpResponse, HttpError> {
    admit(request, parts)?;
    let address = web::Query::<SocketQuery>::from_query(request.query_string())
        .map_err(|error| HttpError::Malformed(error.to_string()))?
        .into_inner();
    let token = bearer(request)?.map(str::to_owned).or(address.token);
    let identified = match token {
        Some(token) => Some(parts.identity.of(&token).await?),
        None => None,
    };
    session::open(request, payload, Arc::clone(&parts.session), identified)
        .map_err(|error| HttpError::Handshake(error.to_string()))
}
