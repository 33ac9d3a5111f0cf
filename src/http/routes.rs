//! The routes of a node.

use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, web};

use super::{
    HttpError, HttpState, admission::charge_address, demo_page, graphiql, graphql, health,
    hocuspocus_socket, metrics_page, yjs_socket,
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
        config.service(read_only("/metrics", metrics_page::page));
    }
    if scope != RouteScope::Metrics {
        config
            .service(
                web::resource("/graphql")
                    .route(web::get().to(graphql::get))
                    .route(web::head().to(graphql::get))
                    .route(web::post().to(graphql::post))
                    .default_service(web::to(graphql::refuse_method)),
            )
            .service(read_only("/sync/{document}", yjs_socket::open))
            .service(read_only("/collab", hocuspocus_socket::open))
            .service(read_only("/healthz", health::healthz))
            .service(read_only("/readyz", health::readyz))
            .service(read_only("/graphiql/{file}", graphiql::file))
            .service(read_only("/demo/{file}", demo_page::file))
            .service(read_only("/demo.json", demo_page::users))
            .service(read_only("/", demo_page::page));
    }
    config.default_service(web::to(not_found));
}

/// Returns a resource that can be read only. A HEAD request gets the headers of a GET request (RFC 9110, section 9.3.2); the
/// framework leaves the body out.
fn read_only<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args> + Clone,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(refuse_method))
}

/// Handles every other method for a resource that can be read only.
async fn refuse_method(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    charge_address(&request, &state, 1).await?;
    Err(HttpError::ReadOnly)
}

/// Handles every other path.
async fn not_found(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    charge_address(&request, &state, 1).await?;
    Ok(HttpResponse::NotFound().finish())
}
