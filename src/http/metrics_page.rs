//! `GET /metrics`: the metrics for Prometheus.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, Bytes},
};

use super::{HttpError, HttpState, admission::charge_metrics};

/// Responds with all metrics in the text format of Prometheus, version 0.0.4. All who ask at the same time share one page,
/// and at most a hundred are made in a second.
///
/// # Errors
/// [`HttpError::Throttled`]: the address of the client asks too often.
pub(super) async fn page(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    charge_metrics(&request, &state).await?;
    Ok(match state.metrics_page.get(render(&state)).await {
        Some(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text),
        None => HttpResponse::InternalServerError().finish(),
    })
}

async fn render(state: &HttpState) -> Option<Bytes> {
    state.metrics.outboxes_hold(state.totals.bytes());
    state.metrics.log_lines_dropped((state.dropped_log_lines)());
    let rendered = state.metrics.render().map(Bytes::from);
    rendered.inspect_err(|error| tracing::error!(%error, "the metrics could not be rendered")).ok()
}
