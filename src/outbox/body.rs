//! The end of an outbox that the connection's task reads: the response body of the upgrade.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::shared::OutboxShared;

/// Streams the frames of an outbox, and ends after the close frame.
///
/// Dropping it means that the connection is gone: the outbox frees its frames and accepts no more.
#[derive(Debug)]
pub struct OutboxBody {
    shared: Arc<OutboxShared>,
}

impl OutboxBody {
    pub(super) fn new(shared: Arc<OutboxShared>) -> Self {
        Self { shared }
    }
}

impl MessageBody for OutboxBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        self.shared.poll_take(cx).map(|chunk| chunk.map(Ok))
    }
}

impl Drop for OutboxBody {
    fn drop(&mut self) {
        self.shared.connection_is_gone();
    }
}
