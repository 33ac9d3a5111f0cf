//! Files that are part of the binary and make up a page.
//!
//! Each file is compressed once, when a client first accepts that, and has an `ETag`. A browser that has it asks whether it is
//! still the same. What an answer costs counts for the address that it goes to.

use std::{collections::HashMap, io::Write as _};

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

/// The files of a page by their names, and the policy that browsers enforce on it.
pub(super) struct PageFiles {
    files: HashMap<String, PageFile>,
    policy: &'static str,
}

impl PageFiles {
    /// Reads all files of a folder that is part of the binary.
    pub(super) fn read<Folder: RustEmbed>(policy: &'static str) -> Self {
        let files = Folder::iter()
            .filter_map(|name| Some((name.to_string(), PageFile::read::<Folder>(&name)?)));
        Self { files: files.collect(), policy }
    }

    /// Responds with a file, or with 404 if there is none of this name.
    ///
    /// # Errors
    /// [`HttpError::Throttled`].
    pub(super) async fn respond(
        &self,
        name: &str,
        request: &HttpRequest,
        state: &HttpState,
    ) -> Result<HttpResponse, HttpError> {
        let Some(file) = self.files.get(name) else {
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
            .insert_header((header::CONTENT_SECURITY_POLICY, self.policy))
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
}

struct PageFile {
    content_type: &'static str,
    bytes: Bytes,
    /// The first half of the SHA-256 hash, in hexadecimal.
    hash: String,
    /// `None` inside if it could not be compressed.
    gzip: OnceCell<Option<Bytes>>,
}

impl PageFile {
    fn read<Folder: RustEmbed>(name: &str) -> Option<Self> {
        let file = Folder::get(name)?;
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
