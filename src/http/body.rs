//! Reads request bodies within their limits.
//!
//! The framework's extractor would read a body to its end, whatever its length and duration. Therefore the handler reads
//! the body here and gives the extractor the whole of it.
//!
//! When a request is refused before its end, its client may still be sending and would receive a reset instead of the
//! response. [`discard`] therefore reads on for a moment.

use std::time::Duration;

use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;

use super::HttpError;
use crate::graphql::Caller;

/// The longest time for which the rest of a refused request is read.
const MAX_DISCARD: Duration = Duration::from_secs(1);

/// The limits of request bodies.
pub struct BodyLimits {
    /// The most bytes of a body.
    pub authenticated: usize,
    /// The most bytes of a body of a request without a token.
    pub anonymous: usize,
    /// The longest time that a body may take to arrive.
    pub within: Duration,
}

impl BodyLimits {
    fn max_bytes(&self, caller: &Caller) -> usize {
        match caller {
            Caller::Nobody => self.anonymous,
            Caller::Request { .. } | Caller::Session(_) => self.authenticated,
        }
    }
}

/// Reads the body of a request of `caller`.
///
/// # Errors
/// [`HttpError::TooLarge`], [`HttpError::TooSlow`], or [`HttpError::Malformed`] if the connection or its encoding
/// breaks.
pub(super) async fn read(
    payload: &mut Payload,
    limits: &BodyLimits,
    caller: &Caller,
) -> Result<Bytes, HttpError> {
    let read = tokio::time::timeout(limits.within, read_up_to(payload, limits.max_bytes(caller)));
    let body = read.await.unwrap_or(Err(HttpError::TooSlow { within: limits.within }));
    if let Err(HttpError::TooLarge { .. }) = &body {
        discard(payload, limits).await;
    }
    body
}

async fn read_up_to(payload: &mut Payload, limit: usize) -> Result<Bytes, HttpError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| HttpError::Malformed(error.to_string()))?;
        if body.len() + chunk.len() > limit {
            return Err(HttpError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Reads the rest of a refused request and drops it, for at most [`MAX_DISCARD`].
pub(super) async fn discard(payload: &mut Payload, limits: &BodyLimits) {
    let rest = async { while let Some(Ok(_)) = payload.next().await {} };
    let in_time = tokio::time::timeout(MAX_DISCARD.min(limits.within), rest).await.is_ok();
    tracing::debug!(in_time, "discarded the rest of a refused request");
}
