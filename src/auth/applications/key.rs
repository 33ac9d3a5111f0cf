//! The public key of an application, read from a JWK (RFC 7517) or from PEM (RFC 7468, section 13).

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{DecodingKey, jwk::Jwk};
use thiserror::Error;

use crate::auth::issuers::{PublicKey, SignatureAlgorithm};

/// Why a text is no public key for document tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "it is no public key for RS256 (2,048 to 4,096 bits), ES256 or EdDSA (Ed25519) signatures. Write the public key as a JWK, \
     or as PEM that begins with -----BEGIN PUBLIC KEY-----"
)]
pub struct KeyTextError;

/// A registered key.
pub struct RegisteredKey {
    /// Its id, which the header of a token names.
    pub id: Arc<str>,
    /// The application: the `iss` claim of its tokens.
    pub application: Arc<str>,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) verifying: DecodingKey,
}

impl RegisteredKey {
    /// Reads a key from its text.
    ///
    /// # Errors
    /// [`KeyTextError`].
    pub fn read(id: &str, application: &str, text: &str) -> Result<Self, KeyTextError> {
        let read = if is_json(text) { of_jwk(text) } else { of_pem(text) };
        let (algorithm, verifying) = read.ok_or(KeyTextError)?;
        Ok(Self { id: id.into(), application: application.into(), algorithm, verifying })
    }

    /// Returns the key id that a JWK contains.
    #[must_use]
    pub fn id_in(text: &str) -> Option<String> {
        let jwk: Jwk = serde_json::from_str(text).ok()?;
        jwk.common.key_id
    }
}

impl fmt::Debug for RegisteredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegisteredKey({} of {})", self.id, self.application)
    }
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

fn of_jwk(text: &str) -> Option<(SignatureAlgorithm, DecodingKey)> {
    let key = PublicKey::of(&serde_json::from_str(text).ok()?)?;
    Some((key.algorithm, key.key))
}

/// The beginning of an Ed25519 key in DER (RFC 8410, section 4).
const ED25519: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The beginning of an uncompressed key on the curve P-256 in DER (RFC 5480, section 2).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The lengths of RSA keys of 2,048 to 4,096 bits in DER.
const RSA_LENGTHS: std::ops::RangeInclusive<usize> = 294..=550;

fn of_pem(text: &str) -> Option<(SignatureAlgorithm, DecodingKey)> {
    let body = text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----")?;
    let body = body.strip_suffix("-----END PUBLIC KEY-----")?;
    let body: String = body.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
    let der = STANDARD.decode(body).ok()?;
    if der.starts_with(ED25519) {
        let key = DecodingKey::from_ed_pem(text.as_bytes()).ok()?;
        return Some((SignatureAlgorithm::EdDsa, key));
    }
    if der.starts_with(P256) {
        let key = DecodingKey::from_ec_pem(text.as_bytes()).ok()?;
        return Some((SignatureAlgorithm::Es256, key));
    }
    let key = DecodingKey::from_rsa_pem(text.as_bytes()).ok()?;
    RSA_LENGTHS.contains(&der.len()).then_some((SignatureAlgorithm::Rs256, key))
}
