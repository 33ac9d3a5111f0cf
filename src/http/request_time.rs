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

/// Tells the connection that a request is being answered until the body of the answer is dropped. Refuses a request with
/// [`HttpError::AfterLast`] if one in chunks came before on this connection.
///
/// # Errors
/// Those of `next`.
pub async fn time_request<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<TimedBody>, Error> {
    let connection = request.conn_data::<ConnectionHandle>().cloned();
    let body = body_bytes(request.headers());
    let begun = connection.as_ref().map(|connection| connection.begin_request(body));
    if let Some(begun) = &begun {
        begun.take_turn().await;
    }
    if connection.as_ref().is_some_and(ConnectionHandle::is_past_last_request) {
        let mut refusal = request.error_response(HttpError::AfterLast);
        refusal.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        return Ok(timed(refusal, begun));
    }
    let mut response = next.call(request).await?;
    if body == u64::MAX && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // The handler may have answered before the end of the body. The framework then reads the rest, and the check of line ends
        // does not know where the next head begins.
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        connection.iter().for_each(ConnectionHandle::end_with_request);
    }
    Ok(timed(response, begun))
}

fn timed<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    request: Option<AnsweredRequest>,
) -> ServiceResponse<TimedBody> {
    response.map_body(|_head, body| TimedBody { body: body.boxed(), _request: request })
}
