//! The end of an outbox from which a session writes to its socket.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;

use super::shared::OutboxShared;

/// Streams the frames of an outbox in chunks for the socket, and ends after the close frame.
///
/// Dropping it means that the connection is gone: the outbox frees its frames and accepts no more.
#[derive(Debug)]
pub struct OutboxChunks {
    shared: Arc<OutboxShared>,
}

impl OutboxChunks {
    pub(super) fn new(shared: Arc<OutboxShared>) -> Self {
        Self { shared }
    }
}

impl Stream for OutboxChunks {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.shared.poll_take(cx)
    }
}

impl Drop for OutboxChunks {
    fn drop(&mut self) {
        self.shared.connection_is_gone();
    }
}
