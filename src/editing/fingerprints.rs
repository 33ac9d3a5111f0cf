//! Digests of changes, by which a repeated edit is recognized. They are stored and compared later, so what they are made of must never
//! change.

use sha2::{Digest as _, Sha256};

use super::{BodyKind, GivenBody};
use crate::domain::{Fingerprint, Version};

/// Returns the digest of a change that replaces a body, as that of its request.
pub(crate) fn body_fingerprint(base: Version, body: &GivenBody) -> Fingerprint {
    let mut digest = FingerprintDigest::default();
    digest.body(base, body);
    digest.finish()
}

/// The digest of a change, part by part.
#[derive(Default)]
pub(super) struct FingerprintDigest(Sha256);

impl FingerprintDigest {
    pub(super) fn part(&mut self, tag: &[u8; 4], bytes: &[u8]) {
        self.0.update(tag);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    pub(super) fn body(&mut self, base: Version, body: &GivenBody) {
        self.part(b"base", &base.number().to_be_bytes());
        // No root type has an empty name.
        self.part(b"root", body.root.as_deref().unwrap_or_default().as_bytes());
        let kind = body.kind.unwrap_or_else(|| BodyKind::of(&body.json));
        self.part(b"kind", kind.as_str().as_bytes());
        self.part(b"body", body.json.to_string().as_bytes());
    }

    pub(super) fn finish(self) -> Fingerprint {
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&self.0.finalize()[..16]);
        Fingerprint(fingerprint)
    }
}
