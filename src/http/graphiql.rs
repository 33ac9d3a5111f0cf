//! The GraphiQL page. Its files are part of the binary, so it works without internet access. All addresses in it are relative, so
//! it also works behind a proxy that removes a prefix of the path.
//!
//! Each file is compressed once, when a client first accepts that, and has an `ETag`. A browser that has it asks whether it is
//! still the same. What an answer costs counts for the address that it goes to.

use std::{collections::HashMap, io::Write as _, sync::LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{
        self, AcceptEncoding, ContentEncoding, ETag, Encoding, EntityTag, Header as _, IfNoneMatch,
        Quality,
    },
    web::{self, Bytes},
};
use flate2::{Compression, write::GzEncoder};
use rust_embed::RustEmbed;
use tokio::sync::OnceCell;

use super::{
    HttpError, HttpState,
    admission::{charge_address, cost_of},
};

/// Scripts and styles come from this server only, and other pages cannot frame the page.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; frame-ancestors 'none'";

#[derive(RustEmbed)]
#[folder = "web/graphiql/dist"]
struct Assets;

/// All files by their names.
static FILES: LazyLock<HashMap<String, PageFile>> = LazyLock::new(|| {
    let files = Assets::iter().filter_map(|name| Some((name.to_string(), PageFile::read(&name)?)));
    files.collect()
});

struct PageFile {
    content_type: &'static str,
    bytes: Bytes,
    /// The first half of the SHA-256 hash, in hexadecimal.
    hash: String,
    /// `None` inside if it could not be compressed.
    gzip: OnceCell<Option<Bytes>>,
}

impl PageFile {
    fn read(name: &str) -> Option<Self> {
        let file = Assets::get(name)?;
        let hash = file.metadata.sha256_hash();
        let hash = hash.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let bytes = match file.data {
            std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
        };
        let content_type = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("txt") => "text/plain; charset=utf-8",
            Some("woff2") => "font/woff2",
            _ => "application/octet-stream",
        };
        Some(Self { content_type, bytes, hash, gzip: OnceCell::new() })
    }

    /// Returns the compressed bytes, which are made once, on another thread.
    async fn gzip(&self) -> Option<Bytes> {
        let compressed = self.gzip.get_or_init(async || {
            let bytes = self.bytes.clone();
            let compressed = web::block(move || compress(&bytes)).await;
            compressed.ok().and_then(Result::ok)
        });
        compressed.await.clone()
    }

    /// Returns the tag of this file in an encoding.
    fn tag(&self, encoding: ContentEncoding) -> EntityTag {
        EntityTag::new_strong(format!("{}-{}", self.hash, encoding.as_str()))
    }
}

fn compress(bytes: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    encoder.finish().map(Bytes::from)
}

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
    respond("index.html", request, state).await
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
    respond(&name, &request, &state).await
}

/// Handles `GET /`: redirects to the page. The address is relative, because a proxy may serve the node under a path.
///
/// # Errors
/// [`HttpError::Throttled`].
pub(super) async fn redirect(
    request: HttpRequest,
    state: web::Data<HttpState>,
) -> Result<HttpResponse, HttpError> {
    charge_address(&request, &state, 1).await?;
    Ok(HttpResponse::SeeOther().insert_header((header::LOCATION, "graphql")).finish())
}

async fn respond(
    name: &str,
    request: &HttpRequest,
    state: &HttpState,
) -> Result<HttpResponse, HttpError> {
    let Some(file) = FILES.get(name) else {
        charge_address(request, state, 1).await?;
        return Ok(HttpResponse::NotFound().finish());
    };
    let (encoding, body) = match accepts_gzip(request).then(|| file.gzip()) {
        Some(compressed) => match compressed.await {
            Some(compressed) => (ContentEncoding::Gzip, compressed),
            None => (ContentEncoding::Identity, file.bytes.clone()),
        },
        None => (ContentEncoding::Identity, file.bytes.clone()),
    };
    let is_known = is_known(file, request);
    charge_address(request, state, if is_known { 1 } else { cost_of(body.len()) }).await?;
    let mut response = if is_known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::VARY, "accept, accept-encoding"))
        .insert_header(ETag(file.tag(encoding)));
    if is_known {
        return Ok(response.finish());
    }
    if encoding == ContentEncoding::Gzip {
        response.insert_header(encoding);
    }
    Ok(response.content_type(file.content_type).body(body))
}

/// Returns whether the client has this file already, in one of its encodings.
fn is_known(file: &PageFile, request: &HttpRequest) -> bool {
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| {
            [ContentEncoding::Identity, ContentEncoding::Gzip]
                .iter()
                .any(|encoding| tag.weak_eq(&file.tag(*encoding)))
        }),
        Ok(IfNoneMatch::Any) | Err(_) => false,
    }
}

/// Returns whether the client accepts gzip.
fn accepts_gzip(request: &HttpRequest) -> bool {
    AcceptEncoding::parse(request).is_ok_and(|accepted| {
        accepted.iter().any(|accepted| {
            accepted.quality > Quality::ZERO && accepted.item.item() == Some(&Encoding::gzip())
        })
    })
}
