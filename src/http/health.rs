//! The health checks: whether the process is alive, and whether it can serve.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::{HttpState, admission::pace_check};
use crate::{bridge::Health, store::Writability};

/// Handles `GET /healthz`: the process responds. Checks nothing else, so that an unavailable database does not cause
/// every node to be restarted.
pub(super) async fn healthz(request: HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    pace_check(&request, &state).await;
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// Handles `GET /readyz`. Responds with 503 and the reason when the node is stopping, the database does not respond or
/// accepts no writes, or the relay is deaf: Redis responds but delivers no messages.
///
/// Without Redis a node still serves, so the status is 200 and "degraded". With 503, a load balancer would remove all
/// nodes at once.
///
/// All who ask at the same time share one question to the database, and there are at most a hundred in a second.
pub(super) async fn readyz(request: HttpRequest, state: web::Data<HttpState>) -> HttpResponse {
    pace_check(&request, &state).await;
    if state.draining.has_begun() {
        return unready("draining");
    }
    if let Err(because) = state.database_check.get(check_database(&state)).await {
        return unready(because);
    }
    match state.rooms.relay() {
        Health::Deaf => unready("relay"),
        Health::Healthy if state.roster.is_up() => {
            HttpResponse::Ok().json(json!({ "status": "ready" }))
        }
        Health::Healthy | Health::Slow | Health::Unavailable => {
            HttpResponse::Ok().json(json!({ "status": "degraded", "because": "redis" }))
        }
    }
}

/// Returns whether the database responds and accepts writes, or else the reason.
async fn check_database(state: &HttpState) -> Result<(), &'static str> {
    match state.store.ping().await {
        Ok(Writability::Writable) => Ok(()),
        Ok(Writability::ReadOnly) => Err("database_read_only"),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the database does not respond"
            );
            Err("database")
        }
    }
}

fn unready(because: &str) -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(json!({ "status": "unready", "because": because }))
}
