//! Whether the process lives, and whether it can serve.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::HttpParts;

/// `GET /healthz`: the process answers. Nothing else is looked at, so that a database that is away does not get
/// every node restarted.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// `GET /readyz`: 200 when the database can be reached and the node is not going down, else 503 with what is wrong.
pub(super) async fn readyz(parts: web::Data<HttpParts>) -> HttpResponse {
    if parts.draining.has_begun() {
        return unready("draining");
    }
    if let Err(error) = parts.store.ping().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the database did not answer");
        return unready("database");
    }
    HttpResponse::Ok().json(json!({ "status": "ready" }))
}

fn unready(because: &str) -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(json!({ "status": "unready", "because": because }))
}
