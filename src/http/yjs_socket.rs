//! The upgrade of `/sync/<document>` to y-websocket, with one document per WebSocket.
//!
//! The protocol has no message for a token, so the upgrade must carry one, or a ticket. If it is not valid, or the rest of the
//! address is wrong, the upgrade is accepted and closed at once with a code that editors understand ([`close_reason`]). The access
//! to the document is checked after the upgrade.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{
    HttpError, HttpState,
    admission::{authenticate, redeem, refused},
    editor_address::EditorAddress,
    editor_refusal::close_reason,
    request_span,
    upgrade::{self, EditorCredentials},
};
use crate::{
    domain::{DocumentId, Party},
    session::{self, Identified, NewEditor},
    wire::Predecessor,
    yjs::Conversation,
};

/// Handles `GET /sync/<document>`: upgrades the request and opens a session for an editor.
///
/// # Errors
/// The request is not an upgrade, or the upgrade is refused by an HTTP answer.
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
        Err(error) => refuse(&request, &state, error).await,
    }
}

/// Upgrades the request of an editor.
///
/// # Errors
/// The origin is not allowed, the token or ticket is missing or not valid, the address is wrong, the user exceeds a rate limit, the
/// handshake is broken, or the node is stopping.
async fn upgrade_editor(
    request: &HttpRequest,
    document: &str,
    state: &HttpState,
) -> Result<HttpResponse, HttpError> {
    upgrade::check_allowed(request, state)?;
    let parse = || EditorAddress::parse(document, request.query_string());
    let (identified, document, address) = match upgrade::editor_credentials(request)? {
        Some(EditorCredentials::Token(token)) => {
            let identified = authenticate(request, state, &token).await?;
            upgrade::check_handshake(request.headers())?;
            let address = parse().map_err(HttpError::EditorAddress)?;
            let party = Party::User(identified.user.id);
            (identified, state.identity.find_document(&address.document, party).await?, address)
        }
        Some(EditorCredentials::Ticket(ticket)) => {
            // It is redeemed only once, so everything else must be right.
            upgrade::check_handshake(request.headers())?;
            let address = parse().map_err(HttpError::EditorAddress)?;
            let (identified, document) = redeem(request, state, &ticket, &address.document).await?;
            (identified, document, address)
        }
        None => {
            state.metrics.auth_failed("missing");
            return Err(HttpError::NoToken);
        }
    };
    let editor = editor(identified, document, &address, state);
    session::open_editor(request, Arc::clone(&state.session), editor)
        .map_err(|error| HttpError::Handshake(error.to_string()))
}

/// Refuses an upgrade because of `error`: by a close frame, if the page has to know, and otherwise by an HTTP answer.
///
/// # Errors
/// The HTTP answer. It also answers requests that are no complete handshake.
async fn refuse(
    request: &HttpRequest,
    state: &HttpState,
    error: HttpError,
) -> Result<HttpResponse, HttpError> {
    let error = upgrade::refuse(request, state, error).await;
    let Some(reason) = close_reason(&error) else { return Err(error) };
    if upgrade::check_handshake(request.headers()).is_err() {
        return Err(error);
    }
    let refusing = session::refuse_editor(request, Arc::clone(&state.session), reason);
    refusing.map_err(|_no_handshake| error)
}

fn editor(
    identified: Identified,
    document: DocumentId,
    address: &EditorAddress,
    state: &HttpState,
) -> NewEditor {
    let EditorAddress { saved, client, .. } = *address;
    request_span::record_document(document);
    let name = client.map(|client| Predecessor::Editor { document, client });
    let conversation = Conversation::new(Arc::clone(&state.editors), document, saved);
    NewEditor { identified, name, conversation: Box::new(conversation) }
}
