//! `GET /metrics`: the meters, for Prometheus.

use actix_web::{HttpResponse, web};

use super::HttpParts;

/// The text format of Prometheus, version 0.0.4.
pub(super) async fn page(parts: web::Data<HttpParts>) -> HttpResponse {
    parts.metrics.outboxes_hold(parts.totals.bytes());
    match parts.metrics.render() {
        Ok(text) => HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text),
        Err(error) => {
            tracing::error!(%error, "the meters could not be written down");
            HttpResponse::InternalServerError().finish()
        }
    }
}
