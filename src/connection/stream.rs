//! The byte stream between the framework and the socket.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_rt::net::TcpStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::ConnectionHandle;

/// The socket of an accepted connection. Reads and writes fail once it is ended through its [`ConnectionHandle`].
#[derive(Debug)]
pub struct ClientConnection {
    stream: TcpStream,
    handle: ConnectionHandle,
    max_stall: Duration,
    /// Fires when a write has waited for `max_stall`. `None` while no write waits.
    stall: Option<Pin<Box<Sleep>>>,
}

impl ClientConnection {
    /// Wraps a socket. A write that waits for longer than `max_stall` fails with [`io::ErrorKind::TimedOut`].
    #[must_use]
    pub fn new(stream: TcpStream, max_stall: Duration) -> Self {
        Self { stream, handle: ConnectionHandle::default(), max_stall, stall: None }
    }

    /// Returns a handle of the connection.
    #[must_use]
    pub fn handle(&self) -> ConnectionHandle {
        self.handle.clone()
    }

    fn check_open(&self) -> io::Result<()> {
        if self.handle.is_ended() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the session has ended"));
        }
        Ok(())
    }

    /// Notes that a write waits, and fails once it has waited for too long.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.handle.register(cx);
        let max_stall = self.max_stall;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(max_stall)));
        stall
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the client accepts no data")))
    }
}

impl AsyncRead for ClientConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_open()?;
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_pending() {
            self.handle.register(cx);
        }
        read
    }
}

impl AsyncWrite for ClientConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_open()?;
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(accepted)) => {
                self.handle.note_accepted(accepted);
                self.stall = None;
                Poll::Ready(Ok(accepted))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_stalled(cx),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.handle.note_closed();
    }
}
