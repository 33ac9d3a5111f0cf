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
use tokio::time::{Instant, timeout_at};

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
    /// How long a body may take to arrive, in addition to what `least_rate` allows for its bytes.
    pub within: Duration,
    /// The rate at which a body must at least arrive after that, in bytes per second. Above 0.
    pub least_rate: u64,
}

impl BodyLimits {
    fn max_bytes(&self, caller: &Caller) -> usize {
        match caller {
            Caller::Nobody(_) => self.anonymous,
            Caller::Request { .. } | Caller::Session(_) => self.authenticated,
        }
    }

    /// Returns how long a body may take of which so many bytes have arrived.
    fn time_for(&self, bytes: usize) -> Duration {
        let micros = (bytes as u64).saturating_mul(1_000_000) / self.least_rate.max(1);
        self.within.saturating_add(Duration::from_micros(micros))
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
    let body = read_up_to(payload, limits, limits.max_bytes(caller)).await;
    if let Err(HttpError::TooLarge { .. }) = &body {
        discard(payload, limits).await;
    }
    body
}

async fn read_up_to(
    payload: &mut Payload,
    limits: &BodyLimits,
    max_bytes: usize,
) -> Result<Bytes, HttpError> {
    let (mut body, started) = (BytesMut::new(), Instant::now());
    loop {
        let deadline = started + limits.time_for(body.len());
        let next = timeout_at(deadline, payload.next()).await;
        let chunk = match next.map_err(|_elapsed| HttpError::TooSlow { within: limits.within })? {
            Some(chunk) => chunk.map_err(|error| HttpError::Malformed(error.to_string()))?,
            None => return Ok(body.freeze()),
        };
        if body.len() + chunk.len() > max_bytes {
            return Err(HttpError::TooLarge { limit: max_bytes });
        }
        body.extend_from_slice(&chunk);
    }
}

/// Reads the rest of a refused request and drops it, for at most [`MAX_DISCARD`].
pub(super) async fn discard(payload: &mut Payload, limits: &BodyLimits) {
    let rest = async { while let Some(Ok(_)) = payload.next().await {} };
    let in_time = tokio::time::timeout(MAX_DISCARD.min(limits.within), rest).await.is_ok();
    tracing::debug!(in_time, "discarded the rest of a refused request");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_may_take_longer_the_more_of_it_has_arrived() {
        let limits = BodyLimits {
            authenticated: 1_000_000,
            anonymous: 1_000,
            within: Duration::from_secs(10),
            least_rate: 1_000,
        };
        assert_eq!(limits.time_for(0), Duration::from_secs(10));
        assert_eq!(limits.time_for(500_000), Duration::from_secs(510));
    }
}
