//! Tells the connection of a request when it begins and when its answer has been written.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Bytes,
};

use super::upgrade::body_bytes;
use crate::connection::{AnsweredRequest, ConnectionHandle};

/// The body of an answer. The connection waits for the next request once it is dropped.
pub struct TimedBody {
    body: BoxBody,
    _request: Option<AnsweredRequest>,
}

impl MessageBody for TimedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}

/// Tells the connection that a request is being answered until the body of the answer is dropped.
///
/// # Errors
/// Those of `next`.
pub async fn time_request<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<TimedBody>, Error> {
    let connection = request.conn_data::<ConnectionHandle>();
    let begun =
        connection.map(|connection| connection.begin_request(body_bytes(request.headers())));
    if let Some(begun) = &begun {
        begun.take_turn().await;
    }
    let response = next.call(request).await?;
    Ok(response.map_body(|_head, body| TimedBody { body: body.boxed(), _request: begun }))
}
