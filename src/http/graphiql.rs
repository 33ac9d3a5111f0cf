//! The GraphiQL page. Its files are part of the binary, so it works without internet access.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use rust_embed::RustEmbed;

/// Scripts and styles come from this server only, and other pages cannot frame the page.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "web/graphiql/dist"]
struct Assets;

/// Returns whether the request comes from a browser that opens the page, not from a program that sends a query.
pub(super) fn is_requested(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|types| types.contains("text/html"))
        && !request.query_string().split('&').any(|pair| pair.starts_with("query="))
}

/// Responds to `GET /graphql` of a browser.
pub(super) fn page() -> HttpResponse {
    asset("index.html")
}

/// Handles `GET /graphiql/{file}`.
pub(super) async fn file(path: web::Path<String>) -> HttpResponse {
    asset(&path)
}

/// Handles `GET /`: redirects to the page.
pub(super) async fn redirect() -> HttpResponse {
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
