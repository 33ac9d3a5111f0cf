//! The headers of every response that does not set them itself.

use actix_web::{http::header, middleware::DefaultHeaders};

/// Creates the middleware: browsers take no content for another type than it has, send no address of this server to others
/// (it may contain a token), and keep nothing.
#[must_use]
pub fn response_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((header::REFERRER_POLICY, "no-referrer"))
        .add((header::CACHE_CONTROL, "no-store"))
}
