//! How a session's actor is put on a socket: the one file that names the framework's actor crate.
//!
//! `WebsocketContext` is made to be a response body: its actor runs while the body is polled, and stands still when
//! the client stops reading. Here the context is driven by a task of its own, and the body is the outbox. So a
//! client that does not read does not stop its own heartbeat, and nothing piles up in a mailbox.

use std::{rc::Rc, sync::Arc};

use actix_http::ws::{Codec, Item};
use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, error::PayloadError, http::header,
};
use actix_web_actors::ws::{self, WebsocketContext};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use tokio::time::Instant;

use super::{
    Converse, Identified, SessionParts,
    actor::{Session, Upgrade},
    reader::{Intake, SocketReader},
};
use crate::{
    domain::SessionId,
    outbox::Outbox,
    wire::{Fragment, FrameGuard, FrameLimits, graphql_ws},
};

/// The context in which a session runs.
pub(super) type SessionContext = WebsocketContext<Session>;

/// What the framework's codec makes of inbound bytes.
pub(super) type Inbound = Result<ws::Message, ws::ProtocolError>;

/// Returns the codec's fragment as one of ours.
pub(super) fn fragment(item: Item) -> Fragment {
    match item {
        Item::FirstText(bytes) => Fragment::FirstText(bytes),
        Item::FirstBinary(bytes) => Fragment::FirstBinary(bytes),
        Item::Continue(bytes) => Fragment::Continue(bytes),
        Item::Last(bytes) => Fragment::Last(bytes),
    }
}

/// Accepts the upgrade and starts a session on the calling thread.
///
/// `identified` is who asked for the upgrade, if it carried a token. A client that does not offer our subprotocol is
/// told so by the close frame, since a refused upgrade would tell it nothing.
///
/// # Errors
/// The request is no WebSocket handshake (RFC 6455, section 4.2.1).
pub fn open<S>(
    request: &HttpRequest,
    payload: S,
    parts: Arc<SessionParts>,
    identified: Option<Identified>,
) -> Result<HttpResponse, actix_web::Error>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
{
    let speaks_protocol = speaks_protocol(request);
    let mut response = ws::handshake(request)?;
    if speaks_protocol {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, graphql_ws::SUBPROTOCOL));
    }
    let limits = FrameLimits { frame: parts.limits.frame, message: parts.limits.message };
    let upgrade = Upgrade { identified, speaks_protocol, conversation: None };
    Ok(start(response, payload, parts, limits, upgrade))
}

/// Accepts the upgrade of a Yjs editor and starts its session on the calling thread. Such clients send a message in one
/// frame, however large.
///
/// # Errors
/// The request is no WebSocket handshake (RFC 6455, section 4.2.1).
pub fn open_editor<S>(
    request: &HttpRequest,
    payload: S,
    parts: Arc<SessionParts>,
    identified: Identified,
    conversation: Box<dyn Converse>,
) -> Result<HttpResponse, actix_web::Error>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
{
    let response = ws::handshake(request)?;
    let limits = FrameLimits { frame: parts.limits.message, message: parts.limits.message };
    let upgrade = Upgrade {
        identified: Some(identified),
        speaks_protocol: true,
        conversation: Some(conversation),
    };
    Ok(start(response, payload, parts, limits, upgrade))
}

fn start<S>(
    mut response: HttpResponseBuilder,
    payload: S,
    parts: Arc<SessionParts>,
    limits: FrameLimits,
    upgrade: Upgrade,
) -> HttpResponse
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin + 'static,
{
    let (outbox, body) = Outbox::new(parts.outbox, Arc::clone(&parts.totals));
    let intake = Intake::new(Instant::now(), parts.limits.unauthenticated_bytes);
    let reader =
        SocketReader::new(payload, FrameGuard::new(limits), outbox.clone(), Rc::clone(&intake));
    let codec = Codec::new().max_size(limits.frame);
    let session = Session::new(SessionId::new(), parts, outbox, intake, upgrade);
    let mut context = Box::pin(WebsocketContext::with_codec(session, reader, codec));
    actix_rt::spawn(async move { while context.next().await.is_some() {} });
    response.body(body)
}

/// Whether our subprotocol is among those that the client offers, in one header or in several (RFC 6455, section
/// 11.3.4).
fn speaks_protocol(request: &HttpRequest) -> bool {
    request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|offered| offered.to_str().ok())
        .flat_map(|offered| offered.split(','))
        .any(|protocol| protocol.trim() == graphql_ws::SUBPROTOCOL)
}
