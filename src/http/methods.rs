//! The HTTP methods that the server knows.
//!
//! A method may be any word, and the metrics have a series for each method. Unusual methods are therefore refused before
//! the request is counted.

use actix_web::{
    Error, ResponseError as _,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
};

use super::HttpError;

const KNOWN: [Method; 7] = [
    Method::GET,
    Method::POST,
    Method::HEAD,
    Method::OPTIONS,
    Method::PUT,
    Method::DELETE,
    Method::PATCH,
];

/// Passes on requests with a known method and refuses the others.
///
/// # Errors
/// Those of `next`.
pub async fn only_known_methods<B: MessageBody>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if !KNOWN.contains(request.method()) {
        let refusal = HttpError::UnknownMethod.error_response();
        return Ok(request.into_response(refusal).map_into_right_body());
    }
    Ok(next.call(request).await?.map_into_left_body())
}
