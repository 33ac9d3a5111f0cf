//! Keys that are derived from the secret that all nodes share (HKDF, RFC 5869).
//!
//! Each use has a label of its own, so that nothing that was signed for one use is accepted for another.

use hkdf::Hkdf;
use sha2::Sha256;

/// Derives the key for the use with this label.
#[must_use]
pub fn derive_key(secret: &[u8], label: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    Hkdf::<Sha256>::new(None, secret)
        .expand(label, &mut key)
        .expect("HKDF makes up to 255 hashes of output");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_and_each_secret_has_a_key_of_its_own() {
        let key = derive_key(b"a secret", b"one use");
        assert_eq!(key, derive_key(b"a secret", b"one use"));
        assert_ne!(key, derive_key(b"a secret", b"another use"));
        assert_ne!(key, derive_key(b"another secret", b"one use"));
    }
}
