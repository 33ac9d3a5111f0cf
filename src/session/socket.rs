//! How a session's actor is attached to a socket. This is the only file that names the framework's actor crate.
//!
//! The framework's `WebsocketContext` is meant to be a response body: its actor runs while the body is polled, and stands
//! still when the client stops reading. Here the task of the connection drives the context and writes the outbox to the socket, each
//! without waiting for the other. So a client that does not read does not stop its own heartbeat, and no mailbox fills up.

use std::{future::poll_fn, rc::Rc, sync::Arc, task::Poll};

use actix_http::ws::{Codec, Item};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, error::ErrorBadRequest, http::header,
};
use actix_web_actors::ws::{self, WebsocketContext};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::join, stream::FuturesUnordered};
use tokio::time::Instant;
use tracing::{Instrument as _, field::Empty};

use super::{
    EditorConversation, Identified, OpenEditors, SessionParts,
    actor::{NewSession, Session},
    close::end_connection,
    graphql::protocol::{GraphQlProtocol, Subprotocol},
    hocuspocus::protocol::HocuspocusProtocol,
    inbound::InboundBytes,
    intake::Intake,
    message_arrival::MessageArrival,
    message_memory::MessageMemory,
    message_pace::MessagePace,
    protocol::Protocol,
    reader::{ReaderBounds, SocketReader},
    yjs::protocol::YjsProtocol,
};
use crate::{
    connection::{ClientConnection, ConnectionHandle, SessionSocket},
    domain::{Network, SessionId},
    outbox::{Closing, Outbox, OutboxChunks},
    wire::{
        CloseReason, Fragment, FrameGuard, FrameLimits, Predecessor, graphql_ws,
        subprotocol::{EDITOR_SUBPROTOCOL, offered},
    },
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
    connection: ConnectionHandle,
}

/// A session whose upgrade is accepted, in the extensions of the response. It begins when the response has been sent.
pub struct AcceptedSession {
    session: Session,
    bounds: ReaderBounds,
    limits: FrameLimits,
    chunks: OutboxChunks,
}

impl AcceptedSession {
    /// Runs the session until it has ended and its socket is closed. `early` is what the client has sent behind its request.
    pub fn run(self, connection: ClientConnection, early: Bytes) -> impl Future<Output = ()> {
        let Self { session, bounds, limits, chunks } = self;
        let socket = SessionSocket::new(connection);
        let (outbox, handle) = (session.outbox.clone(), session.connection.clone());
        let span = session.span.clone();
        let inbound = InboundBytes::new(early, socket.clone());
        let (guard, intake) = (FrameGuard::new(limits), Rc::clone(&session.intake));
        let reader = SocketReader::new(inbound, guard, bounds, outbox.clone(), intake);
        let codec = Codec::new().max_size(limits.frame);
        let mut context = Box::pin(WebsocketContext::with_codec(session, reader, codec));
        let inbound = socket.clone();
        let running = async move {
            while context.next().await.is_some() {}
            drop(context);
            join(end_connection(handle, &outbox), inbound.discard()).await;
        };
        // Unlike `join`, it polls only the half that was woken. Most wakes are for a frame of another session.
        let mut halves = FuturesUnordered::from_iter([
            running.boxed_local(),
            write_chunks(socket, chunks).boxed_local(),
        ]);
        async move { while halves.next().await.is_some() {} }.instrument(span)
    }
}

/// Writes an outbox to a socket, and closes the socket at the end or when it fails.
async fn write_chunks(socket: SessionSocket, mut chunks: OutboxChunks) {
    let mut next = async || {
        poll_fn(|cx| match chunks.poll_next_unpin(cx) {
            Poll::Pending => socket.poll_ended(cx).map(|()| None),
            ready => ready,
        })
        .await
    };
    while let Some(mut chunk) = next().await {
        if let Err(error) = poll_fn(|cx| socket.poll_write(cx, &mut chunk)).await {
            tracing::debug!(%error, "the socket takes nothing more");
            break;
        }
    }
    drop(chunks);
    poll_fn(|cx| {
        socket.close(cx);
        Poll::Ready(())
    })
    .await;
}

/// Returns the connection whose socket goes to the session that the request begins.
fn offered_connection(request: &HttpRequest) -> Result<ConnectionHandle, actix_web::Error> {
    let connection = request.conn_data::<ConnectionHandle>().filter(|one| one.is_offered());
    connection.cloned().ok_or_else(|| ErrorBadRequest("the header Upgrade is not `websocket`"))
}

/// Accepts the upgrade of a GraphQL client. Its session is in the response.
///
/// `identified` is the user whose token the upgrade carried, if it carried one, and `network` that of the client, if it is known. A client that does not offer our
/// subprotocol is refused by a close frame, because clients do not see why an upgrade was refused.
///
/// # Errors
/// The request is not a WebSocket handshake (RFC 6455, section 4.2.1).
pub fn open(
    request: &HttpRequest,
    parts: Arc<SessionParts>,
    identified: Option<Identified>,
    network: Option<Network>,
) -> Result<HttpResponse, actix_web::Error> {
    let subprotocol = match offers(request, graphql_ws::SUBPROTOCOL) {
        true => Subprotocol::Offered,
        false => Subprotocol::Missing,
    };
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
        connection: offered_connection(request)?,
    };
    Ok(start(response, parts, upgrade))
}

/// A Yjs editor whose upgrade is accepted.
pub struct NewEditor {
    /// The user whose token or ticket the upgrade carried.
    pub identified: Identified,
    /// How a newer connection of the editor names this one, if the editor has sent its client id.
    pub name: Option<Predecessor>,
    /// The conversation with it.
    pub conversation: Box<dyn EditorConversation>,
}

/// Accepts the upgrade of a Yjs editor. Its session is in the response. Editors send each message in one
/// frame, so a frame may be as large as a message.
///
/// # Errors
/// The request is not a WebSocket handshake (RFC 6455, section 4.2.1).
pub fn open_editor(
    request: &HttpRequest,
    parts: Arc<SessionParts>,
    editor: NewEditor,
) -> Result<HttpResponse, actix_web::Error> {
    let NewEditor { identified, name, conversation } = editor;
    let response = editor_handshake(request)?;
    let upgrade = Upgrade {
        protocol: Protocol::Yjs(Box::new(YjsProtocol::new(conversation, name))),
        identified: Some(identified),
        // Editors send no operations, so nothing counts by it.
        network: None,
        limits: FrameLimits { frame: parts.limits.message, message: parts.limits.message },
        budget: None,
        connection: offered_connection(request)?,
    };
    Ok(start(response, parts, upgrade))
}

/// A page with a HocuspocusProvider, whose upgrade is accepted.
pub struct NewPage {
    /// Its network, if it is known.
    pub network: Option<Network>,
    /// Begins the conversations with its editors.
    pub editors: Arc<dyn OpenEditors>,
    /// Whether it wants to know the version that has its updates.
    pub wants_versions: bool,
}

/// The bytes that a page may send before it is admitted. Its providers send their tokens and state vectors without waiting for an
/// answer, all at once.
const PAGE_INIT_BYTES: usize = 256 * 1_024;

/// Accepts the upgrade of a page with a HocuspocusProvider. Its session is in the response. The page sends its token afterwards.
///
/// # Errors
/// The request is not a WebSocket handshake (RFC 6455, section 4.2.1).
pub fn open_page(
    request: &HttpRequest,
    parts: Arc<SessionParts>,
    page: NewPage,
) -> Result<HttpResponse, actix_web::Error> {
    let NewPage { network, editors, wants_versions } = page;
    let response = editor_handshake(request)?;
    let protocol = HocuspocusProtocol::new(Arc::clone(&parts), editors, wants_versions);
    let upgrade = Upgrade {
        protocol: Protocol::Hocuspocus(Box::new(protocol)),
        identified: None,
        network,
        limits: FrameLimits { frame: parts.limits.message, message: parts.limits.message },
        budget: Some(PAGE_INIT_BYTES.max(parts.limits.init_bytes)),
        connection: offered_connection(request)?,
    };
    Ok(start(response, parts, upgrade))
}

/// Accepts the upgrade of a Yjs editor in order to close its socket at once for this reason. Browsers hide a refused upgrade from
/// the page, and the provider would try it again and again. The session takes no slot, opens no room, and reads as little as one
/// of a GraphQL client before its admission.
///
/// # Errors
/// The request is not a WebSocket handshake (RFC 6455, section 4.2.1).
pub fn refuse_editor(
    request: &HttpRequest,
    parts: Arc<SessionParts>,
    reason: CloseReason,
) -> Result<HttpResponse, actix_web::Error> {
    let (response, bytes) = (editor_handshake(request)?, parts.limits.init_bytes);
    let upgrade = Upgrade {
        protocol: Protocol::Refused(reason),
        identified: None,
        network: None,
        limits: FrameLimits { frame: bytes, message: bytes },
        budget: Some(bytes),
        connection: offered_connection(request)?,
    };
    Ok(start(response, parts, upgrade))
}

/// Returns the answer to the handshake of an editor. It selects our subprotocol if the editor offers it.
///
/// # Errors
/// The request is not a WebSocket handshake.
fn editor_handshake(request: &HttpRequest) -> Result<HttpResponseBuilder, actix_web::Error> {
    let mut response = ws::handshake(request)?;
    if offers(request, EDITOR_SUBPROTOCOL) {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, EDITOR_SUBPROTOCOL));
    }
    Ok(response)
}

/// Returns the answer to an upgrade, which carries the session to the service that has the socket.
fn start(
    mut response: HttpResponseBuilder,
    parts: Arc<SessionParts>,
    upgrade: Upgrade,
) -> HttpResponse {
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
    let (outbox, chunks) = Outbox::new(id, parts.outbox, Arc::clone(&parts.totals));
    let (last_frames, frame) = (outbox.clone(), CloseReason::Unavailable.frame(protocol.dialect()));
    connection.begin_session(move || {
        // If the connection has gone, there is nobody to tell.
        let _pushed = last_frames.close(frame, Closing::AtOnce);
    });
    let intake = Intake::new(Instant::now(), budget);
    let bounds = ReaderBounds {
        pace: MessagePace::new(parts.limits.messages_per_second),
        memory: MessageMemory::new(parts.memory.clone(), Rc::clone(&intake)),
        arrival: MessageArrival::new(parts.message_rate),
    };
    let new = NewSession {
        id,
        protocol,
        upgraded_by: identified,
        network,
        outbox,
        intake,
        connection,
        span,
    };
    let accepted = AcceptedSession { session: Session::new(parts, new), bounds, limits, chunks };
    let mut response = response.finish();
    response.extensions_mut().insert(accepted);
    response
}

/// Returns whether the client offers a subprotocol.
fn offers(request: &HttpRequest, subprotocol: &str) -> bool {
    let headers = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    offered(headers.filter_map(|header| header.to_str().ok())).any(|name| name == subprotocol)
}
