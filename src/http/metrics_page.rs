//! `GET /metrics`: the metrics for Prometheus.

use actix_web::{
    HttpResponse,
    web::{self, Bytes},
};

use super::HttpState;

/// Responds with all metrics in the text format of Prometheus, version 0.0.4. All who ask at the same time share one page,
/// and at most a hundred are made in a second.
pub(super) async fn page(state: web::Data<HttpState>) -> HttpResponse {
    match state.metrics_page.get(render(&state)).await {
        Some(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text),
        None => HttpResponse::InternalServerError().finish(),
    }
}

async fn render(state: &HttpState) -> Option<Bytes> {
    state.metrics.outboxes_hold(state.totals.bytes());
    state.metrics.log_lines_dropped((state.dropped_log_lines)());
    let rendered = state.metrics.render().map(Bytes::from);
    rendered.inspect_err(|error| tracing::error!(%error, "the metrics could not be rendered")).ok()
}
