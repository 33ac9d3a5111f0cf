//! The web page: GraphiQL, from the binary's own assets, so that it works without the internet.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use rust_embed::RustEmbed;

/// Scripts and styles come from here only, and the page cannot be framed by another.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "web/graphiql/dist"]
struct Assets;

/// Whether a browser asks for a page rather than a program for an answer.
pub(super) fn is_wanted(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|types| types.contains("text/html"))
        && !request.query_string().split('&').any(|pair| pair.starts_with("query="))
}

/// `GET /graphql` for a browser.
pub(super) fn page() -> HttpResponse {
    asset("index.html")
}

/// `GET /graphiql/{file}`.
pub(super) async fn file(path: web::Path<String>) -> HttpResponse {
    asset(&path)
}

/// `GET /`.
pub(super) async fn home() -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, "/graphql")).finish()
}

fn asset(name: &str) -> HttpResponse {
    let Some(file) = Assets::get(name) else { return HttpResponse::NotFound().finish() };
    let kind = match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    };
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .body(file.data.into_owned())
}
