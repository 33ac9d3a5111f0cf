//! How a session's actor is attached to a socket. This is the only file that names the framework's actor crate.
//!
//! The framework's `WebsocketContext` is meant to be a response body: its actor runs while the body is polled, and stands
//! still when the client stops reading. Here a task of its own drives the context, and the response body is the outbox.
//! So a client that does not read does not stop its own heartbeat, and no mailbox fills up.

use std::{rc::Rc, sync::Arc};

use actix_http::ws::{Codec, Item};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, error::PayloadError, http::header,
};
use actix_web_actors::ws::{self, WebsocketContext};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;
use tracing::{Instrument as _, field::Empty};

use super::{
    EditorConversation, Identified, SessionParts,
    actor::{NewSession, Session},
    close::end_connection,
    graphql::protocol::{GraphQlProtocol, Subprotocol},
    intake::Intake,
    message_arrival::MessageArrival,
    message_memory::MessageMemory,
    message_pace::MessagePace,
    protocol::Protocol,
    reader::{ReaderBounds, SocketReader},
    yjs::protocol::YjsProtocol,
};
use crate::{
    connection::ConnectionHandle,
    domain::{Network, SessionId},
    outbox::{Closing, Outbox},
    wire::{CloseReason, Fragment, FrameGuard, FrameLimits, Predecessor, graphql_ws},
};

/// The context in which a session runs.
pub(super) type SessionContext = WebsocketContext<Session>;

/// What the framework's codec makes of inbound bytes.
pub(super) type Inbound = Result<ws::Message, ws::ProtocolError>;

/// Converts a fragment of the codec.
pub(super) fn fragment(item: Item) -> Fragment {
    match item {
        Item::FirstText(bytes) => Fragment::FirstText(bytes),
        Item::FirstBinary(bytes) => Fragment::FirstBinary(bytes),
        Item::Continue(bytes) => Fragment::Continue(bytes),
        Item::Last(bytes) => Fragment::Last(bytes),
    }
}

/// An accepted upgrade.
struct Upgrade {
    protocol: Protocol,
    identified: Option<Identified>,
    network: Option<Network>,
    limits: FrameLimits,
    /// The bytes that the client may send before it is admitted, unless its upgrade has authenticated it.
    budget: Option<usize>,
    /// The connection of the request, if the server has one for it.
    connection: Option<ConnectionHandle>,
}

/// Accepts the upgrade of a GraphQL client and starts its session on the calling thread.
///
/// `identified` is the user whose token the upgrade carried, if it carried one, and `network` that of the client, if it is known. A client that does not offer our
/// subprotocol is refused by a close frame, because clients do not see why an upgrade was refused.
///
/// # Errors
/// The request is not a WebSocket handshake (RFC 6455, section 4.2.1).
pub fn open<S>(
    request: &HttpRequest,
    payload: S,
    parts: Arc<SessionParts>,
    identified: Option<Identified>,
    network: Option<Network>,
) -> Result<HttpResponse, actix_web::Error>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
{
    let subprotocol = subprotocol(request);
    let mut response = ws::handshake(request)?;
    if subprotocol == Subprotocol::Offered {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, graphql_ws::SUBPROTOCOL));
    }
    let protocol = GraphQlProtocol::new(Arc::clone(&parts), subprotocol);
    let upgrade = Upgrade {
        protocol: Protocol::GraphQl(Box::new(protocol)),
        identified,
        network,
        limits: FrameLimits { frame: parts.limits.frame, message: parts.limits.message },
        budget: Some(parts.limits.init_bytes),
        connection: request.conn_data().cloned(),
    };
    Ok(start(response, payload, parts, upgrade))
}

/// A Yjs editor whose upgrade is accepted.
pub struct NewEditor {
    /// The user whose token the upgrade carried.
    pub identified: Identified,
    /// How a newer connection of the editor names this one, if the editor has sent its client id.
    pub name: Option<Predecessor>,
    /// The conversation with it.
    pub conversation: Box<dyn EditorConversation>,
}

/// Accepts the upgrade of a Yjs editor and starts its session on the calling thread. Editors send each message in one
/// frame, so a frame may be as large as a message.
///
/// # Errors
/// The request is not a WebSocket handshake (RFC 6455, section 4.2.1).
pub fn open_editor<S>(
    request: &HttpRequest,
    payload: S,
    parts: Arc<SessionParts>,
    editor: NewEditor,
) -> Result<HttpResponse, actix_web::Error>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
{
    let NewEditor { identified, name, conversation } = editor;
    let response = ws::handshake(request)?;
    let upgrade = Upgrade {
        protocol: Protocol::Yjs(Box::new(YjsProtocol::new(conversation, name))),
        identified: Some(identified),
        // Editors send no operations, so nothing counts by it.
        network: None,
        limits: FrameLimits { frame: parts.limits.message, message: parts.limits.message },
        budget: None,
        connection: request.conn_data().cloned(),
    };
    Ok(start(response, payload, parts, upgrade))
}

fn start<S>(
    mut response: HttpResponseBuilder,
    payload: S,
    parts: Arc<SessionParts>,
    upgrade: Upgrade,
) -> HttpResponse
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
{
    let Upgrade { protocol, identified, network, limits, budget, connection } = upgrade;
    let id = SessionId::new();
    // It is no child of the request's span, which would stay open as long as the session.
    let span = tracing::info_span!(
        parent: None,
        "session",
        session.id = %id,
        user.id = Empty,
        protocol = protocol.label(),
    );
    // The one event of both spans: it connects the session with its upgrade.
    tracing::debug!(session.id = %id, "session opened");
    let (outbox, body) = Outbox::new(id, parts.outbox, Arc::clone(&parts.totals));
    if let Some(connection) = &connection {
        let (outbox, frame) = (outbox.clone(), CloseReason::Unavailable.frame(protocol.dialect()));
        connection.begin_session(move || {
            // If the connection has gone, there is nobody to tell.
            let _pushed = outbox.close(frame, Closing::AtOnce);
        });
    }
    let intake = Intake::new(Instant::now(), budget);
    let pace = MessagePace::new(parts.limits.messages_per_second);
    let guard = FrameGuard::new(limits);
    let memory = MessageMemory::new(parts.memory.clone(), Rc::clone(&intake));
    let arrival = MessageArrival::new(parts.message_rate);
    let bounds = ReaderBounds { pace, memory, arrival };
    let reader = SocketReader::new(payload, guard, bounds, outbox.clone(), Rc::clone(&intake));
    let codec = Codec::new().max_size(limits.frame);
    let last_frames = outbox.clone();
    let new = NewSession {
        id,
        protocol,
        upgraded_by: identified,
        network,
        outbox,
        intake,
        connection: connection.clone(),
        span: span.clone(),
    };
    let session = Session::new(parts, new);
    let mut context = Box::pin(WebsocketContext::with_codec(session, reader, codec));
    let driver = async move {
        while context.next().await.is_some() {}
        drop(context);
        if let Some(connection) = connection {
            end_connection(connection, &last_frames).await;
        }
    };
    actix_rt::spawn(driver.instrument(span));
    response.body(body)
}

/// Returns whether our subprotocol is among those that the client offers, in one header or in several (RFC 6455, section
/// 11.3.4).
fn subprotocol(request: &HttpRequest) -> Subprotocol {
    let is_offered = request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|offered| offered.to_str().ok())
        .flat_map(|offered| offered.split(','))
        .any(|protocol| protocol.trim() == graphql_ws::SUBPROTOCOL);
    if is_offered { Subprotocol::Offered } else { Subprotocol::Missing }
}
