//! The upgrade of `/graphql` to graphql-transport-ws.
//!
//! A token in the request is verified before the upgrade. Without one, the upgrade succeeds and the session expects the
//! token in `connection_init`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{HttpError, HttpState, request_span, upgrade};
use crate::session;

/// Upgrades the request and opens a session.
///
/// # Errors
/// The origin is not allowed, the token is not valid, the handshake is broken, or the node is stopping.
pub(super) async fn open(
    request: &HttpRequest,
    payload: web::Payload,
    state: &HttpState,
) -> Result<HttpResponse, HttpError> {
    upgrade::check_allowed(request, state)?;
    let identified = match upgrade::token(request)? {
        Some(token) => Some(state.identity.of(&token).await?),
        None => None,
    };
    if let Some(identified) = &identified {
        request_span::record_user(identified.user.id);
    }
    session::open(request, payload, Arc::clone(&state.session), identified)
        .map_err(|error| HttpError::Handshake(error.to_string()))
}
