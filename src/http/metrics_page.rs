//! `GET /metrics`: the metrics for Prometheus.

use actix_web::{HttpResponse, web};

use super::HttpState;

/// Responds with all metrics in the text format of Prometheus, version 0.0.4.
pub(super) async fn page(state: web::Data<HttpState>) -> HttpResponse {
    state.metrics.outboxes_hold(state.totals.bytes());
    state.metrics.log_lines_dropped((state.dropped_log_lines)());
    match state.metrics.render() {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be rendered");
            HttpResponse::InternalServerError().finish()
        }
    }
}
