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

use super::requests_in_flight::RequestInFlight;
use crate::outbox::take_piece;

/// An answer of which a part may have been taken. Its request is in flight until the connection drops it.
pub(super) struct AnswerBody {
    answer: Bytes,
    _in_flight: Option<RequestInFlight>,
}

impl AnswerBody {
    /// Returns the body for an answer.
    pub(super) fn new(answer: Bytes, in_flight: Option<RequestInFlight>) -> Self {
        Self { answer, _in_flight: in_flight }
    }
}

impl MessageBody for AnswerBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.answer.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        if self.answer.is_empty() {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(take_piece(&mut self.answer))))
    }
}
