//! The GraphiQL page. Its files are part of the binary, so it works without internet access. All addresses in it are relative, so
//! it also works behind a proxy that removes a prefix of the path.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use rust_embed::RustEmbed;

use super::{HttpError, HttpState, page_files::PageFiles};

/// Scripts and styles come from this server only, and other pages cannot frame the page.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "web/graphiql/dist"]
struct Assets;

static FILES: LazyLock<PageFiles> = LazyLock::new(|| PageFiles::read::<Assets>(POLICY));

/// Returns whether the request comes from a browser that opens the page, not from a program that sends a query.
pub(super) fn is_requested(request: &HttpRequest) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|types| types.contains("text/html"))
        && !request.query_string().split('&').any(|pair| pair.starts_with("query="))
}

/// Responds to `GET /graphql` of a browser.
///
/// # Errors
/// [`HttpError::Throttled`].
pub(super) async fn page(
    request: &HttpRequest,
    state: &HttpState,
) -> Result<HttpResponse, HttpError> {
    FILES.respond("index.html", request, state).await
}

/// Handles `GET /graphiql/{file}`.
///
/// # Errors
/// [`HttpError::Throttled`].
pub(super) async fn file(
    name: web::Path<String>,
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    FILES.respond(&name, &request, &state).await
}
