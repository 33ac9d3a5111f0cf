//! Which address leads where.

use actix_web::web;

use super::{graphql, health, metrics_page, web as page, yjs_socket};

/// The routes of a node. The parts must be given to the application as its data.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/graphql")
                .route(web::get().to(graphql::get))
                .route(web::post().to(graphql::post))
                .default_service(web::to(graphql::other)),
        )
        .route("/sync/{document}", web::get().to(yjs_socket::open))
        .route("/healthz", web::get().to(health::healthz))
        .route("/readyz", web::get().to(health::readyz))
        .route("/metrics", web::get().to(metrics_page::page))
        .route("/graphiql/{file}", web::get().to(page::file))
        .route("/", web::get().to(page::home));
}
