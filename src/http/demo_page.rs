//! The demo page. Its files are part of the binary, and all addresses in them are relative, as in the GraphiQL page.
//!
//! The page learns from `/demo.json` whether the node runs with `--demo`: only then it has the passwords of the demo users, which
//! are public.

use std::sync::LazyLock;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use rust_embed::RustEmbed;

use super::{HttpError, HttpState, admission::charge_address, page_files::PageFiles};

/// Scripts, styles and connections belong to this server only. Forms are sent by the script, never by the browser itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "web/demo/dist"]
struct Assets;

static FILES: LazyLock<PageFiles> = LazyLock::new(|| PageFiles::read::<Assets>(POLICY));

/// Handles `GET /`.
///
/// # Errors
/// [`HttpError::Throttled`].
pub(super) async fn page(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    FILES.respond("index.html", &request, &state).await
}

/// Handles `GET /demo/{file}`.
///
/// # Errors
/// [`HttpError::Throttled`].
pub(super) async fn file(
    name: web::Path<String>,
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    FILES.respond(&format!("demo/{name}"), &request, &state).await
}

/// Handles `GET /demo.json`: responds with the document and the users of the demo, or that there is none.
///
/// # Errors
/// [`HttpError::Throttled`].
pub(super) async fn users(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    charge_address(&request, &state, 1).await?;
    let demo = match &state.demo {
        Some(demo) => demo.clone(),
        None => web::Bytes::from_static(br#"{"demo":false}"#),
    };
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("application/json")
        .body(demo))
}
