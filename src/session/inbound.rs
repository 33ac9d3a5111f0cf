//! The bytes that a client sends to its session.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::error::PayloadError;
use bytes::Bytes;
use futures_util::Stream;

use crate::connection::SessionSocket;

/// The bytes of a socket, after those that came with the request for the upgrade.
pub(super) struct InboundBytes {
    early: Bytes,
    socket: SessionSocket,
}

impl InboundBytes {
    /// Begins with `early`.
    pub(super) fn new(early: Bytes, socket: SessionSocket) -> Self {
        Self { early, socket }
    }
}

impl Stream for InboundBytes {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if !self.early.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut self.early))));
        }
        let read = ready!(self.socket.poll_read(cx));
        // A client that ends without a close frame is gone.
        Poll::Ready(Some(match read {
            Ok(bytes) if bytes.is_empty() => Err(PayloadError::Incomplete(None)),
            read => read.map_err(PayloadError::Io),
        }))
    }
}
