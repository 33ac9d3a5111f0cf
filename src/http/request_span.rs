//! The tracing span of a request.
//!
//! It has `request.id` from the start, and `user.id` and `document.id` once they are known.

use tracing::{Span, field};
use uuid::Uuid;

use crate::domain::{DocumentId, UserId};

/// Creates the span of a new request.
pub(super) fn request_span() -> Span {
    tracing::info_span!(
        "request",
        request.id = %Uuid::now_v7(),
        user.id = field::Empty,
        document.id = field::Empty,
    )
}

/// Adds the authenticated user to the span of the current request.
pub(super) fn record_user(user: UserId) {
    Span::current().record("user.id", field::display(user));
}

/// Adds the document to the span of the current request.
pub(super) fn record_document(document: DocumentId) {
    Span::current().record("document.id", field::display(document));
}
