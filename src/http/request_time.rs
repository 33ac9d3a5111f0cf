//! Tells the connection of a request when it begins and when its answer has been written.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    Error,
    body::{BodySize, BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, StatusCode},
    middleware::Next,
    web::Bytes,
};

use super::{error::HttpError, upgrade::body_bytes};
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
/// Those of `next`. [`HttpError::AfterLast`] if a request in chunks came before on this connection.
pub async fn time_request<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<TimedBody>, Error> {
    let connection = request.conn_data::<ConnectionHandle>().cloned();
    let body = body_bytes(request.headers());
    let begun = connection.as_ref().map(|connection| connection.begin_request(body));
    if connection.as_ref().is_some_and(ConnectionHandle::had_last_request) {
        return Err(HttpError::AfterLast.into());
    }
    if let Some(begun) = &begun {
        begun.take_turn().await;
    }
    let mut response = next.call(request).await?;
    if body == u64::MAX && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // The handler may have answered before the end of the body. The framework then reads the rest, and the check of line ends
        // does not know where the next head begins.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        connection.iter().for_each(ConnectionHandle::end_with_request);
    }
    Ok(response.map_body(|_head, body| TimedBody { body: body.boxed(), _request: begun }))
}
