//! Whether the process lives, and whether it can serve.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::HttpParts;
use crate::bridge::Health;

/// `GET /healthz`: the process answers. Nothing else is looked at, so that a database that is away does not get
/// every node restarted.
pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// `GET /readyz`: 503 with what is wrong when the node is going down, the database cannot be reached, or the relay to the
/// other nodes is deaf: Redis answers, but nothing comes through.
///
/// Without Redis a node still serves: 200, degraded. Were it 503, a balancer would take all nodes out at once.
pub(super) async fn readyz(parts: web::Data<HttpParts>) -> HttpResponse {
    if parts.draining.has_begun() {
        return unready("draining");
    }
    if let Err(error) = parts.store.ping().await {
        tracing::warn!(error = &error as &dyn std::error::Error, "the database did not answer");
        return unready("database");
    }
    match parts.rooms.relay() {
        Health::Deaf => unready("relay"),
        Health::Healthy if parts.roster.is_up() => {
            HttpResponse::Ok().json(json!({ "status": "ready" }))
        }
        Health::Healthy | Health::Unavailable => {
            HttpResponse::Ok().json(json!({ "status": "degraded", "because": "redis" }))
        }
    }
}

fn unready(because: &str) -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(json!({ "status": "unready", "because": because }))
}
