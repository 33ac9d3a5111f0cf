//! The upgrade of `/collab` to the protocol of HocuspocusProvider, with any number of documents per WebSocket.
//!
//! The token comes in the socket, so the upgrade needs none.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::{
    HttpError, HttpState,
    admission::{await_upgrade, network_of, refused},
    query_string, upgrade,
};
use crate::{
    session::{self, NewPage},
    yjs::PageEditors,
};

/// The options in the address.
#[derive(Deserialize)]
struct PageQuery {
    /// Whether the page wants to know the version that has its updates.
    #[serde(default)]
    saved: bool,
}

/// Handles `GET /collab`: upgrades the request and opens a session for a page.
///
/// # Errors
/// The request is not an upgrade, the origin is not allowed, the address exceeds a rate limit, the handshake or the query string is
/// broken, or the node is stopping.
pub(super) async fn open(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    if !upgrade::is_requested(request.headers()) {
        return Err(refused(&request, &state, HttpError::NeedsProvider).await);
    }
    match upgrade_page(&request, &state).await {
        Ok(response) => Ok(response),
        Err(error) => Err(upgrade::refuse(&request, &state, error).await),
    }
}

async fn upgrade_page(request: &HttpRequest, state: &HttpState) -> Result<HttpResponse, HttpError> {
    upgrade::check_allowed(request, state)?;
    await_upgrade(request, state).await?;
    upgrade::check_handshake(request.headers())?;
    let PageQuery { saved } = query_string::parse(request.query_string())?;
    let page = NewPage {
        network: network_of(request, state),
        editors: Arc::new(PageEditors(Arc::clone(&state.editors))),
        wants_versions: saved,
    };
    session::open_page(request, Arc::clone(&state.session), page)
        .map_err(|error| HttpError::Handshake(error.to_string()))
}
