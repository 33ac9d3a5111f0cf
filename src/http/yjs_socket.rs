//! The upgrade of `/sync/<document>` to y-websocket, with one document per WebSocket.
//!
//! The protocol has no message for a token, so the upgrade must carry one. Access to the document is checked after the
//! upgrade: without it the session closes with a code that editors understand.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::{HttpError, HttpState, query_string, request_span, upgrade};
use crate::{
    domain::DocumentId,
    session::{self, NewEditor},
    wire::Predecessor,
    yjs::Conversation,
};

/// The options of an editor in the query string.
#[derive(Deserialize)]
struct EditorQuery {
    /// Whether the editor requests save acknowledgements.
    #[serde(default)]
    saved: bool,
    /// The client id of the editor's Yjs document, with which it comes back after its connection is lost.
    client: Option<u64>,
}

/// Handles `GET /sync/<document>`: upgrades the request and opens a session for an editor.
///
/// # Errors
/// The request is not an upgrade, or the upgrade is refused.
pub(super) async fn open(
    request: HttpRequest,
    document: web::Path<String>,
    payload: web::Payload,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    if !upgrade::is_requested(request.headers()) {
        return Err(HttpError::NeedsEditor);
    }
    let upgraded = upgrade_editor(&request, &document, payload, &state).await;
    upgraded.inspect_err(|error| state.refusals.note(error))
}

/// Upgrades the request of an editor.
///
/// # Errors
/// The origin is not allowed, the path does not name a document, the token is missing or not valid, the handshake is
/// broken, or the node is stopping.
async fn upgrade_editor(
    request: &HttpRequest,
    document: &str,
    payload: web::Payload,
    state: &HttpState,
) -> Result<HttpResponse, HttpError> {
    upgrade::check_allowed(request, state)?;
    let document: DocumentId = document.parse().map_err(|_no_uuid| HttpError::NoDocument)?;
    request_span::record_document(document);
    let EditorQuery { saved, client } = query_string::parse(request.query_string())?;
    let Some(token) = upgrade::token(request)? else {
        state.metrics.auth_failed("missing");
        return Err(HttpError::NoToken);
    };
    let identified = state.identity.of(&token).await?;
    request_span::record_user(identified.user.id);
    let conversation = Conversation::new(Arc::clone(&state.editors), document, saved);
    let name = client.map(|client| Predecessor::Editor { document, client });
    let editor = NewEditor { identified, name, conversation: Box::new(conversation) };
    session::open_editor(request, payload, Arc::clone(&state.session), editor)
        .map_err(|error| HttpError::Handshake(error.to_string()))
}
