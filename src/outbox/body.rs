//! The end of an outbox that the connection's task reads: the response body of the upgrade.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
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
    /// What is left of a large chunk.
    rest: Bytes,
}

/// The most bytes that the framework takes at once.
const MAX_PIECE: usize = 64 * 1024;

/// Takes the next piece of a body. The framework copies what it takes, so a large body would be in memory twice.
pub fn take_piece(rest: &mut Bytes) -> Bytes {
    rest.split_to(rest.len().min(MAX_PIECE))
}

impl OutboxBody {
    pub(super) fn new(shared: Arc<OutboxShared>) -> Self {
        Self { shared, rest: Bytes::new() }
    }
}

impl MessageBody for OutboxBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.rest.is_empty() {
            match ready!(self.shared.poll_take(cx)) {
                Some(chunk) => self.rest = chunk,
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Ok(take_piece(&mut self.rest))))
    }
}

impl Drop for OutboxBody {
    fn drop(&mut self) {
        self.shared.connection_is_gone();
    }
}
