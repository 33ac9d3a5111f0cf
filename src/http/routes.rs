//! The routes of a node.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{
    HttpError, HttpState, admission::charge_address, graphiql, graphql, health, metrics_page,
    yjs_socket,
};

/// What a listening socket serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteScope {
    /// Everything.
    All,
    /// Everything but the metrics.
    WithoutMetrics,
    /// The metrics only.
    Metrics,
}

/// Adds the routes of a node. The application needs an [`HttpState`] as its data.
pub fn routes(config: &mut web::ServiceConfig, scope: RouteScope) {
    if scope != RouteScope::WithoutMetrics {
        config.route("/metrics", web::get().to(metrics_page::page));
    }
    if scope != RouteScope::Metrics {
        config
            .service(
                web::resource("/graphql")
                    .route(web::get().to(graphql::get))
                    .route(web::post().to(graphql::post))
                    .default_service(web::to(graphql::refuse_method)),
            )
            .route("/sync/{document}", web::get().to(yjs_socket::open))
            .route("/healthz", web::get().to(health::healthz))
            .route("/readyz", web::get().to(health::readyz))
            .route("/graphiql/{file}", web::get().to(graphiql::file))
            .route("/", web::get().to(graphiql::redirect));
    }
    config.default_service(web::to(not_found));
}

/// Handles every other path.
async fn not_found(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    charge_address(&request, &state, 1).await?;
    Ok(HttpResponse::NotFound().finish())
}
