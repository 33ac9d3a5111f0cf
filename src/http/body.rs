//! Reads request bodies within their limits.
//!
//! The framework's extractors would read a body to its end, whatever its duration. Therefore the handler reads the body here.
//!
//! When a request is refused before its end, its client may still be sending and would receive a reset instead of the
//! response. [`discard`] therefore reads on for a moment.

use std::time::Duration;

use actix_web::{
    HttpRequest,
    http::header,
    web::{Bytes, BytesMut, Payload},
};
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::{HttpError, HttpState};
use crate::{
    connection::LeastRate, editing::loader::MAX_INLINE_BYTES, graphql::Caller, memory::Reservation,
};

/// The longest time for which the rest of a refused request is read.
const MAX_DISCARD: Duration = Duration::from_secs(1);

/// How long a body is not read while there is no memory for it.
const MEMORY_PATIENCE: Duration = Duration::from_secs(30);

/// The limits of request bodies.
pub struct BodyLimits {
    /// The most bytes of a body.
    pub authenticated: usize,
    /// The most bytes of a body of a request without a token.
    pub anonymous: usize,
    /// How long a body may take to arrive.
    pub rate: LeastRate,
}

impl BodyLimits {
    fn max_bytes(&self, caller: &Caller) -> usize {
        match caller {
            Caller::Nobody(_) => self.anonymous,
            Caller::Request { .. } | Caller::Session(_) => self.authenticated,
        }
    }
}

/// A body, with the memory that is reserved for it if it is large.
pub(super) struct RequestBody {
    pub(super) bytes: Bytes,
    pub(super) held: Option<Reservation>,
}

/// Reads the body of a request of `caller`. Before it reads what is large, it waits for memory.
///
/// # Errors
/// [`HttpError::TooLarge`], [`HttpError::TooSlow`], [`HttpError::Memory`], or [`HttpError::Malformed`] if the connection or
/// its encoding breaks.
pub(super) async fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    state: &HttpState,
    caller: &Caller,
) -> Result<RequestBody, HttpError> {
    let (limits, max_bytes) = (&state.bodies, state.bodies.max_bytes(caller));
    let announced = announced_bytes(request);
    let body = if announced > max_bytes {
        Err(HttpError::TooLarge { limit: max_bytes })
    } else {
        let memory = BodyMemory { reservation: state.memory.open(caller.party()), announced };
        read_up_to(payload, limits, max_bytes, memory).await
    };
    if let Err(HttpError::TooLarge { .. } | HttpError::Memory(_)) = &body {
        discard(payload, limits).await;
    }
    body
}

/// Returns the length that the head of a request announces; 0 if it announces none.
fn announced_bytes(request: &HttpRequest) -> usize {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    length.unwrap_or_default()
}

async fn read_up_to(
    payload: &mut Payload,
    limits: &BodyLimits,
    max_bytes: usize,
    mut memory: BodyMemory,
) -> Result<RequestBody, HttpError> {
    memory.reserve(0).await?;
    let (mut body, mut started) = (BytesMut::new(), Instant::now());
    loop {
        let deadline = started + limits.rate.time_for(body.len() as u64);
        let next = timeout_at(deadline, payload.next()).await;
        let chunk =
            match next.map_err(|_elapsed| HttpError::TooSlow { within: limits.rate.patience })? {
                Some(chunk) => chunk.map_err(|error| HttpError::Malformed(error.to_string()))?,
                None => return Ok(RequestBody { bytes: body.freeze(), held: memory.into_held() }),
            };
        let arrived = body.len() + chunk.len();
        if arrived > max_bytes {
            return Err(HttpError::TooLarge { limit: max_bytes });
        }
        // The client could not send anything while the server waited.
        let asked = Instant::now();
        memory.reserve(arrived).await?;
        started += asked.elapsed();
        body.extend_from_slice(&chunk);
    }
}

/// The memory of a body. A small one has none.
struct BodyMemory {
    reservation: Reservation,
    /// The bytes that the client has announced.
    announced: usize,
}

impl BodyMemory {
    /// Waits until there is memory for a body of which this many bytes have arrived.
    ///
    /// # Errors
    /// [`HttpError::Memory`].
    async fn reserve(&mut self, arrived: usize) -> Result<(), HttpError> {
        let size = self.announced.max(arrived);
        let reserved = self.reservation.bytes();
        if size <= MAX_INLINE_BYTES || (arrived <= reserved && arrived > 0) {
            return Ok(());
        }
        let step = match arrived > reserved {
            // In steps, so that not every piece of a body is counted.
            true => (arrived - reserved).max(MAX_INLINE_BYTES).min(size - reserved),
            false => 0,
        };
        Ok(self.reservation.grow_within(size, step, MEMORY_PATIENCE).await?)
    }

    fn into_held(self) -> Option<Reservation> {
        (self.reservation.bytes() > 0).then_some(self.reservation)
    }
}

/// Reads the rest of a refused request and drops it, for at most [`MAX_DISCARD`].
pub(super) async fn discard(payload: &mut Payload, limits: &BodyLimits) {
    let rest = async { while let Some(Ok(_)) = payload.next().await {} };
    let in_time = tokio::time::timeout(MAX_DISCARD.min(limits.rate.patience), rest).await.is_ok();
    tracing::debug!(in_time, "discarded the rest of a refused request");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::Party,
        memory::{MemoryAccount, MemoryBounds, MemoryUse},
        metrics::Metrics,
    };

    #[tokio::test(start_paused = true)]
    async fn a_body_that_fills_the_memory_of_its_user_fits_and_another_waits_in_vain() {
        let bounds = MemoryBounds { of_user: 200_000, of_node: 400_000 };
        let account = MemoryAccount::new(MemoryUse::Messages, bounds, Metrics::new());
        let body = |announced| BodyMemory { reservation: account.open(Party::Node), announced };
        let (mut first, mut small) = (body(200_000), body(MAX_INLINE_BYTES));
        for arrived in [0, 60_000, 190_000, 200_000] {
            first.reserve(arrived).await.unwrap();
        }
        small.reserve(MAX_INLINE_BYTES).await.unwrap();
        assert!(small.into_held().is_none());

        let refused = body(0).reserve(MAX_INLINE_BYTES + 1).await;
        assert!(matches!(refused, Err(HttpError::Memory(_))));
        assert_eq!(first.into_held().unwrap().bytes(), 200_000);
    }
}
