//! The key that signs tokens and verifies their signatures.
//!
//! The key has one algorithm, and the header of a token must name it. If the header could choose, an attacker would
//! choose `none` (RFC 8725, sections 2.1 and 3.1).

use std::{fmt, path::Path};

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, errors::ErrorKind,
};
use serde::{Serialize, de::DeserializeOwned};
use thiserror::Error;

use super::{Secret, SecretFileError, TokenError, secret_file, token_head::TokenHead};
use crate::wire::{derive_key, envelope::RelayKey};

/// The use of the key of tickets, as HKDF calls for.
const TICKET_LABEL: &[u8] = b"coscribe ticket/1";

/// Why no key could be made.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The secret is so short that it could be guessed.
    #[error(
        "The signing secret has {length} bytes; it needs at least {}. Generate one with: openssl rand -hex 32",
        SigningKeys::MIN_SECRET
    )]
    TooShort {
        /// Its length in bytes.
        length: usize,
    },
    /// The secret file in the data folder cannot be used.
    #[error(transparent)]
    File(#[from] SecretFileError),
}

/// Signs and verifies tokens with HS256 (HMAC with SHA-256; RFC 7518, section 3.2).
#[derive(Clone)]
pub struct SigningKeys {
    signing: EncodingKey,
    verifying: DecodingKey,
    ticket_signing: EncodingKey,
    ticket_verifying: DecodingKey,
    validation: Validation,
    relay: RelayKey,
}

impl SigningKeys {
    /// The shortest secret, in bytes: as long as the hash (RFC 7518, section 3.2).
    pub const MIN_SECRET: usize = 32;

    /// Makes the key from `secret`, or from the secret file in `data_dir`, which is created if it is missing.
    ///
    /// # Errors
    /// The secret is too short, or the file cannot be used.
    pub fn open(secret: Option<&Secret>, data_dir: &Path) -> Result<Self, KeyError> {
        match secret {
            Some(secret) => Self::from_secret(secret),
            None => Self::from_secret(&secret_file::load_or_create(data_dir)?),
        }
    }

    /// Makes the key from `secret`.
    ///
    /// # Errors
    /// The secret is shorter than [`SigningKeys::MIN_SECRET`].
    pub fn from_secret(secret: &Secret) -> Result<Self, KeyError> {
        let bytes = secret.expose().as_bytes();
        if bytes.len() < Self::MIN_SECRET {
            return Err(KeyError::TooShort { length: bytes.len() });
        }
        let ticket_key = derive_key(bytes, TICKET_LABEL);
        Ok(Self {
            signing: EncodingKey::from_secret(bytes),
            verifying: DecodingKey::from_secret(bytes),
            ticket_signing: EncodingKey::from_secret(&ticket_key),
            ticket_verifying: DecodingKey::from_secret(&ticket_key),
            validation: signature_only(Algorithm::HS256),
            relay: RelayKey::derive(bytes),
        })
    }

    /// Returns the key with which nodes sign envelopes, which is derived from the secret.
    #[must_use]
    pub fn relay_key(&self) -> &RelayKey {
        &self.relay
    }

    /// Returns a token with these claims.
    pub(super) fn sign(&self, claims: &impl Serialize) -> String {
        encode(&Header::new(Algorithm::HS256), claims, &self.signing)
            .expect("HMAC accepts a key of any length, and the claims are text and numbers")
    }

    /// Returns a ticket with these claims, signed with a key that is derived from the secret.
    pub(super) fn sign_ticket(&self, claims: &impl Serialize) -> String {
        encode(&Header::new(Algorithm::HS256), claims, &self.ticket_signing)
            .expect("HMAC accepts a key of any length, and the claims are text and numbers")
    }

    /// Verifies the signature of a ticket and returns its claims, which are not checked here.
    pub(super) fn open_ticket<T: DeserializeOwned>(&self, ticket: &str) -> Result<T, TokenError> {
        open_with(ticket, &self.ticket_verifying, &self.validation)
    }

    /// Verifies the signature of a token and returns its claims, which are not checked here.
    pub(super) fn open_token<T: DeserializeOwned>(
        &self,
        token: &str,
        head: &TokenHead,
    ) -> Result<T, TokenError> {
        // The library does not distinguish a token of another algorithm from malformed text if that is `none`.
        if head.alg != "HS256" {
            return Err(TokenError::WrongAlgorithm);
        }
        open_with(token, &self.verifying, &self.validation)
    }
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKeys(HS256)")
    }
}

/// Returns rules that check the signature only. The library would compare times with the system's clock, so `Tokens`
/// checks the claims.
pub(super) fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// Verifies the signature of a token with this key, by rules of [`signature_only`], and returns its claims.
///
/// # Errors
/// [`TokenError::BadSignature`], [`TokenError::WrongAlgorithm`], [`TokenError::Malformed`].
pub(super) fn open_with<T: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    rules: &Validation,
) -> Result<T, TokenError> {
    decode(token, key, rules).map(|token| token.claims).map_err(|error| match error.kind() {
        ErrorKind::InvalidSignature => TokenError::BadSignature,
        ErrorKind::InvalidAlgorithm => TokenError::WrongAlgorithm,
        _ => TokenError::Malformed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_secret_is_refused_and_the_minimum_named() {
        let error = SigningKeys::from_secret(&Secret::new("s".repeat(31))).unwrap_err();
        assert!(matches!(error, KeyError::TooShort { length: 31 }));
        assert!(error.to_string().contains("at least 32"), "{error}");
    }

    #[test]
    fn a_configured_secret_takes_precedence_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        SigningKeys::open(Some(&Secret::new("s".repeat(32))), folder.path()).unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);

        SigningKeys::open(None, folder.path()).unwrap();
        assert_eq!(folder.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn debug_output_does_not_contain_the_secret() {
        let keys =
            SigningKeys::from_secret(&Secret::new("do-not-show-this-secret-to-anyone")).unwrap();
        assert_eq!(format!("{keys:?}"), "SigningKeys(HS256)");
    }
}
