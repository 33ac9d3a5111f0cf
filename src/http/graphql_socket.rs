//! The upgrade of `/graphql` to graphql-transport-ws.
//!
//! A token in the request is verified before the upgrade. Without one, the upgrade succeeds and the session expects the
//! token in `connection_init`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse};

use super::{
    HttpError, HttpState,
    admission::{authenticate, await_upgrade, network_of},
    upgrade,
};
use crate::session;

/// Upgrades the request and opens a session.
///
/// # Errors
/// The origin is not allowed, the token is not valid, the caller exceeds a rate limit, the handshake is broken, or the node
/// is stopping.
pub(super) async fn open(
    request: &HttpRequest,
    state: &HttpState,
) -> Result<HttpResponse, HttpError> {
    upgrade::check_allowed(request, state)?;
    let identified = match upgrade::token(request)? {
        Some(token) => Some(authenticate(request, state, &token).await?),
        None => {
            await_upgrade(request, state).await?;
            None
        }
    };
    upgrade::check_handshake(request.headers())?;
    let network = network_of(request, state);
    session::open(request, Arc::clone(&state.session), identified, network)
        .map_err(|error| HttpError::Handshake(error.to_string()))
}
