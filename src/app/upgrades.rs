//! Requests for an upgrade: they are answered by the application like all others, and the socket of an accepted one goes to its
//! session.
//!
//! The framework hands over the socket together with such a request. Its own buffers for the connection end with that, and
//! the session reads and writes without a detour (docs/adr/0045-sessions-own-their-sockets.md).

use std::{io, rc::Rc, time::Duration};

use actix_codec::{Encoder as _, Framed, FramedParts};
use actix_http::{
    ConnectionType, Request, Response,
    body::{BoxBody, MessageBody},
    h1::{Codec, Message},
    header,
};
use actix_service::{Service, ServiceFactory, fn_factory, fn_service};
use bytes::{Bytes, BytesMut};
use tokio::io::AsyncWriteExt as _;

use crate::{connection::ClientConnection, session::AcceptedSession};

/// How long the body of a request is read that no handler reads.
const MAX_DISCARD: Duration = Duration::from_secs(1);

/// A request for an upgrade, with its socket.
type Upgrade = (Request, Framed<ClientConnection, Codec>);

/// Returns the service for upgrades that `application` answers.
pub(super) fn answer_upgrades<A, B>(
    application: A,
) -> impl ServiceFactory<
    Upgrade,
    Config = (),
    Response = (),
    Error = actix_http::Error,
    InitError = A::InitError,
    Future: 'static,
>
where
    A: ServiceFactory<Request, Config = ()>,
    A::Service: 'static,
    A::Future: 'static,
    A::InitError: 'static,
    A::Error: Into<Response<BoxBody>>,
    A::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    fn_factory(move || {
        let starting = application.new_service(());
        async move {
            let application = Rc::new(starting.await?);
            // Each future is in a box of its own, because the framework has room for the largest one in the task of every connection.
            let serve = move |upgrade| {
                let answering = Box::pin(answer(Rc::clone(&application), upgrade));
                Box::pin(async move {
                    match answering.await {
                        Ok(None) => {}
                        Ok(Some(started)) => {
                            let Started { session, socket, early } = *started;
                            session.run(socket, early).await;
                        }
                        Err(error) => {
                            tracing::debug!(%error, "the answer to an upgrade did not arrive");
                        }
                    }
                    Ok(())
                })
            };
            Ok(fn_service(serve))
        }
    })
}

/// A session whose upgrade has been answered.
struct Started {
    session: AcceptedSession,
    socket: ClientConnection,
    /// What the client has sent behind its request.
    early: Bytes,
}

/// Answers a request. Returns its session if it begins one. Any other connection ends with the answer, because what follows such
/// a request is no HTTP.
///
/// # Errors
/// The client is gone or takes too little.
async fn answer<A, B>(
    application: Rc<A>,
    (request, framed): Upgrade,
) -> io::Result<Option<Box<Started>>>
where
    A: Service<Request>,
    A::Error: Into<Response<BoxBody>>,
    A::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let FramedParts { io: mut socket, mut codec, read_buf, mut write_buf, .. } =
        framed.into_parts();
    // The answers to requests that came before on this connection.
    socket.write_all_buf(&mut write_buf).await?;
    let connection = socket.handle();
    connection.offer();
    let has_body = request.head().headers().contains_key(header::CONTENT_LENGTH);
    let answered = tokio::select! {
        answered = application.call(request) => answered,
        () = connection.ended() => return Ok(None),
    };
    let response =
        answered.map(|response| response.into().map_into_boxed_body()).unwrap_or_else(Into::into);
    let mut body = BoxBody::new(());
    let mut response = response.map_body(|_head, own| body = own);
    let session = response.extensions_mut().remove::<AcceptedSession>();
    if session.is_none() {
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    codec.encode(Message::Item((response, body.size())), &mut write_buf)?;
    socket.write_all(&write_buf).await?;
    match session {
        Some(session) => {
            // A copy, since mostly nothing is left in the framework's buffer of 8 KiB.
            let early = Bytes::copy_from_slice(&read_buf);
            Ok(Some(Box::new(Started { session, socket, early })))
        }
        None => write_body(body, codec, &mut socket, has_body).await.map(|()| None),
    }
}

/// Writes the body of an answer and ends the connection. The body of the request, if it has one, has not been read. It is read and
/// dropped for a moment, because the kernel would otherwise answer it with a reset, and the client might not see the answer.
async fn write_body(
    body: BoxBody,
    mut codec: Codec,
    socket: &mut ClientConnection,
    has_body: bool,
) -> io::Result<()> {
    let (mut body, mut bytes) = (std::pin::pin!(body), BytesMut::new());
    while let Some(chunk) = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        let chunk = chunk.map_err(|error| io::Error::other(error.to_string()))?;
        codec.encode(Message::Chunk(Some(chunk)), &mut bytes)?;
        socket.write_all_buf(&mut bytes).await?;
    }
    codec.encode(Message::Chunk(None), &mut bytes)?;
    socket.write_all_buf(&mut bytes).await?;
    socket.shutdown().await?;
    if has_body {
        let mut sink = tokio::io::sink();
        let rest = tokio::io::copy(socket, &mut sink);
        let in_time = tokio::time::timeout(MAX_DISCARD, rest).await.is_ok();
        tracing::debug!(in_time, "discarded the rest of a refused upgrade");
    }
    Ok(())
}
