//! Digests of changes, by which a repeated edit is recognized. They are stored and compared later, so what they are made of must never
//! change.

use sha2::{Digest as _, Sha256};

use super::DocumentBody;
use crate::domain::{Fingerprint, Version};

/// Returns the digest of a change that replaces a body, as that of its request.
pub(crate) fn body_fingerprint(base: Version, body: &DocumentBody) -> Fingerprint {
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

    pub(super) fn body(&mut self, base: Version, body: &DocumentBody) {
        self.part(b"base", &base.number().to_be_bytes());
        self.part(b"root", body.root().as_bytes());
        self.part(b"kind", body.kind().as_str().as_bytes());
        self.part(b"body", body.json().to_string().as_bytes());
    }

    pub(super) fn finish(self) -> Fingerprint {
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&self.0.finalize()[..16]);
        Fingerprint(fingerprint)
    }
}
