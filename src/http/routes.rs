//! The routes of a node.

use actix_web::web;

use super::{graphiql, graphql, health, metrics_page, yjs_socket};

/// Adds the routes of a node. The application needs an [`HttpState`](super::HttpState) as its data.
pub fn routes(config: &mut web::ServiceConfig) {
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
        .route("/metrics", web::get().to(metrics_page::page))
        .route("/graphiql/{file}", web::get().to(graphiql::file))
        .route("/", web::get().to(graphiql::redirect));
}
