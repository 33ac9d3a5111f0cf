//! A line in the log for each request, and a span around it that names it.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};
use tokio::time::Instant;
use tracing::Instrument as _;
use uuid::Uuid;

/// Logs a request when its answer begins: method, path, status and time. The query string is left out, since a token
/// may stand in it; an upgrade has status 101, and what follows is the session's to log.
///
/// # Errors
/// Those of the request.
pub async fn log_request<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let span = tracing::info_span!("request", request.id = %Uuid::now_v7());
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let began = Instant::now();
    async move {
        let answer = next.call(request).await;
        let status = match &answer {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        let (status, took) = (status.as_u16(), began.elapsed());
        if path == "/graphql" {
            tracing::info!(%method, path, status, ?took, "answered");
        } else {
            tracing::debug!(%method, path, status, ?took, "answered");
        }
        answer
    }
    .instrument(span)
    .await
}
