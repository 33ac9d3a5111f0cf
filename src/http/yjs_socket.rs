//! The upgrade of `/sync/<document>` to y-websocket, with one document per WebSocket.
//!
//! The protocol has no message for a token, so the upgrade must carry one. The rest of the address and the access to the
//! document are checked after the upgrade: then the session closes with a code that editors understand.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{
    HttpError, HttpState,
    admission::{authenticate, refused},
    editor_address::EditorAddress,
    request_span, upgrade,
};
use crate::{
    session::{self, Identified, NewEditor},
    wire::{CloseReason, Predecessor},
    yjs::{Conversation, RefusedEditor},
};

/// Handles `GET /sync/<document>`: upgrades the request and opens a session for an editor.
///
/// # Errors
/// The request is not an upgrade, or the upgrade is refused.
pub(super) async fn open(
    request: HttpRequest,
    document: web::Path<String>,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    if !upgrade::is_requested(request.headers()) {
        return Err(refused(&request, &state, HttpError::NeedsEditor).await);
    }
    match upgrade_editor(&request, &document, &state).await {
        Ok(response) => Ok(response),
        Err(error) => Err(upgrade::refuse(&request, &state, error).await),
    }
}

/// Upgrades the request of an editor.
///
/// # Errors
/// The origin is not allowed, the token is missing or not valid, the user exceeds a rate limit, the handshake is broken, or the
/// node is stopping.
async fn upgrade_editor(
    request: &HttpRequest,
    document: &str,
    state: &HttpState,
) -> Result<HttpResponse, HttpError> {
    upgrade::check_allowed(request, state)?;
    let Some(token) = upgrade::token(request)? else {
        state.metrics.auth_failed("missing");
        return Err(HttpError::NoToken);
    };
    let identified = authenticate(request, state, &token).await?;
    upgrade::check_handshake(request.headers())?;
    let address = EditorAddress::parse(document, request.query_string());
    session::open_editor(request, Arc::clone(&state.session), editor(identified, address, state))
        .map_err(|error| HttpError::Handshake(error.to_string()))
}

/// Returns the editor of an address. One with a wrong address is admitted only to be told so.
fn editor(
    identified: Identified,
    address: Result<EditorAddress, &'static str>,
    state: &HttpState,
) -> NewEditor {
    match address {
        Ok(EditorAddress { document, saved, client }) => {
            request_span::record_document(document);
            let name = client.map(|client| Predecessor::Editor { document, client });
            let conversation = Conversation::new(Arc::clone(&state.editors), document, saved);
            NewEditor { identified, name, conversation: Box::new(conversation) }
        }
        Err(wrong) => {
            let refused = RefusedEditor(CloseReason::BadMessage(wrong.into()));
            NewEditor { identified, name: None, conversation: Box::new(refused) }
        }
    }
}
