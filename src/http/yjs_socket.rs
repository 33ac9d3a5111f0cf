//! The upgrade to an editor's socket: y-websocket, one document for each socket.
//!
//! The token has to come with the upgrade, since the protocol has no place for one: without a good one there is no
//! socket. Whether the document may be opened is said over the socket, by a close code that editors understand.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::{HttpError, HttpParts, graphql_socket, who::bearer};
use crate::{domain::DocumentId, session, yjs::Conversation};

/// What the address of an upgrade may carry.
#[derive(Deserialize)]
struct SocketQuery {
    token: Option<String>,
    /// Whether the editor wants to be told what is stored.
    #[serde(default)]
    saved: bool,
}

/// Opens an editor's socket.
///
/// # Errors
/// No upgrade, a foreign page, no token or a bad one, no document's identifier, or a node that is going down.
pub(super) async fn open(
    request: HttpRequest,
    document: web::Path<String>,
    payload: web::Payload,
    parts: web::Data<HttpParts>,
) -> Result<HttpResponse, HttpError> {
    if !graphql_socket::is_upgrade(request.headers()) {
        return Err(HttpError::NeedsEditor);
    }
    graphql_socket::admit(&request, &parts)?;
    let document: DocumentId = document.parse().map_err(|_no_identifier| HttpError::NoDocument)?;
    let address = web::Query::<SocketQuery>::from_query(request.query_string())
        .map_err(|error| HttpError::Malformed(error.to_string()))?
        .into_inner();
    let Some(token) = bearer(&request)?.map(str::to_owned).or(address.token) else {
        parts.metrics.auth_failed("missing");
        return Err(HttpError::NoToken);
    };
    let identified = parts.identity.of(&token).await?;
    let conversation = Conversation::new(Arc::clone(&parts.editors), document, address.saved);
    let session = Arc::clone(&parts.session);
    session::open_editor(&request, payload, session, identified, Box::new(conversation))
        .map_err(|error| HttpError::Handshake(error.to_string()))
}
