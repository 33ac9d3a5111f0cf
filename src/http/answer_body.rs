//! The body of a response with an answer, which a connection takes piece by piece.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};

use crate::outbox::take_piece;

/// An answer of which a part may have been taken.
pub(super) struct AnswerBody(Bytes);

impl AnswerBody {
    /// Returns the body for an answer.
    pub(super) fn new(answer: Bytes) -> Self {
        Self(answer)
    }
}

impl MessageBody for AnswerBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.0.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(take_piece(&mut self.0))))
    }
}
