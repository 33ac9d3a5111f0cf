//! The socket of a WebSocket, after the framework has handed it over.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use super::{ClientConnection, handle::keep};

/// The most bytes of one read.
const MAX_READ: usize = 64 * 1024;

thread_local! {
    /// The buffer of all reads of this thread. One for each connection would take more than everything else of an idle one.
    static READ_BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; MAX_READ].into());
}

/// A socket that one half of a session reads and the other writes. Clones are the same socket.
#[derive(Clone)]
pub struct SessionSocket(Rc<RefCell<SocketState>>);

struct SocketState {
    /// `None` once the socket is closed.
    connection: Option<ClientConnection>,
    /// The half that reads, while it waits.
    reader: Option<Waker>,
}

impl SessionSocket {
    /// Takes over a connection.
    #[must_use]
    pub fn new(connection: ClientConnection) -> Self {
        let state = SocketState { connection: Some(connection), reader: None };
        Self(Rc::new(RefCell::new(state)))
    }

    /// Reads what has arrived, at most 64 KiB. Returns nothing at the end, and after [`close`](Self::close).
    ///
    /// # Errors
    /// Those of the socket, and those of [`ClientConnection`].
    pub fn poll_read(&self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        let state = &mut *self.0.borrow_mut();
        let Some(connection) = &mut state.connection else { return Poll::Ready(Ok(Bytes::new())) };
        READ_BUFFER.with_borrow_mut(|buffer| {
            let mut arrived = ReadBuf::new(buffer);
            match Pin::new(connection).poll_read(cx, &mut arrived) {
                Poll::Ready(read) => {
                    Poll::Ready(read.map(|()| Bytes::copy_from_slice(arrived.filled())))
                }
                Poll::Pending => {
                    keep(&mut state.reader, cx);
                    Poll::Pending
                }
            }
        })
    }

    /// Writes a chunk, and removes from it what the socket has taken. Is ready when nothing is left.
    ///
    /// # Errors
    /// Those of the socket, and those of [`ClientConnection`].
    pub fn poll_write(&self, cx: &mut Context<'_>, chunk: &mut Bytes) -> Poll<io::Result<()>> {
        let state = &mut *self.0.borrow_mut();
        let Some(connection) = &mut state.connection else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        while !chunk.is_empty() {
            match ready!(Pin::new(&mut *connection).poll_write(cx, chunk))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                taken => chunk.advance(taken),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Is ready once the connection is to end ([`ConnectionHandle::end`](super::ConnectionHandle::end)). The half that writes waits for
    /// that while it has nothing to write.
    pub fn poll_ended(&self, cx: &Context<'_>) -> Poll<()> {
        let state = self.0.borrow();
        let Some(connection) = &state.connection else { return Poll::Ready(()) };
        let handle = connection.handle();
        if handle.is_ended() {
            return Poll::Ready(());
        }
        handle.register_writer(cx);
        Poll::Pending
    }

    /// Reads and drops what arrives, until the end or until the socket is closed. What is not read when a socket is closed makes the
    /// kernel answer with a reset, and the client may not see the last frames.
    pub async fn discard(&self) {
        while poll_fn(|cx| self.poll_read(cx)).await.is_ok_and(|bytes| !bytes.is_empty()) {}
    }

    /// Tells the client that nothing follows, and closes the socket.
    pub fn close(&self, cx: &mut Context<'_>) {
        let mut state = self.0.borrow_mut();
        let (connection, reader) = (state.connection.take(), state.reader.take());
        drop(state);
        if let Some(mut connection) = connection
            && let Poll::Ready(Err(error)) = Pin::new(&mut connection).poll_shutdown(cx)
        {
            tracing::debug!(%error, "a socket was closed already");
        }
        if let Some(reader) = reader {
            reader.wake();
        }
    }
}
