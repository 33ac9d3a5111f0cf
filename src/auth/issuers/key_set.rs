//! The public keys of an issuer, read from a JWK Set (RFC 7517, section 5).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey,
    jwk::{
        AlgorithmParameters, CommonParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations,
        PublicKeyUse,
    },
};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use super::SignatureAlgorithm;

/// Why a JWK Set cannot be used.
#[derive(Debug, Error)]
pub(super) enum KeySetError {
    /// It is not JSON with a list of keys.
    #[error("it is not a JWK Set")]
    Malformed(#[source] serde_json::Error),
    /// It has too many keys.
    #[error("it has {count} keys, more than {}", KeySet::MAX_KEYS)]
    TooMany {
        /// How many.
        count: usize,
    },
    /// None of its keys fits.
    #[error("it has no key for RS256 (2,048 to 4,096 bits), ES256 or EdDSA (Ed25519) signatures")]
    NoUsableKey,
}

/// Keys that verify signatures.
pub(super) struct KeySet(Vec<PublicKey>);

/// A key that verifies signatures of one algorithm.
pub(in crate::auth) struct PublicKey {
    id: Option<String>,
    pub(in crate::auth) algorithm: SignatureAlgorithm,
    pub(in crate::auth) key: DecodingKey,
}

#[derive(Deserialize)]
struct ReceivedSet {
    keys: Vec<Value>,
}

impl KeySet {
    /// The most keys of a set.
    const MAX_KEYS: usize = 100;

    /// The most keys that are tried for a token that names none.
    const MAX_CANDIDATES: usize = 4;

    /// The lengths of RSA keys in bits. RFC 7518, section 3.3, sets the least; longer ones take long to verify.
    const RSA_BITS: std::ops::RangeInclusive<usize> = 2_048..=4_096;

    /// Reads a JWK Set. Leaves out keys that cannot verify signatures of ours, such as those for encryption.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let set: ReceivedSet = serde_json::from_slice(json).map_err(KeySetError::Malformed)?;
        if set.keys.len() > Self::MAX_KEYS {
            return Err(KeySetError::TooMany { count: set.keys.len() });
        }
        let parsed = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        let keys: Vec<_> = parsed.filter_map(|key: Jwk| PublicKey::of(&key)).collect();
        if keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(Self(keys)) }
    }

    /// Returns the keys that a token with this header may be signed with: those with its key id or, if it names none, all
    /// of the algorithm.
    pub(super) fn find(&self, id: Option<&str>, algorithm: SignatureAlgorithm) -> Vec<DecodingKey> {
        let fits = |known: &&PublicKey| {
            known.algorithm == algorithm && (id.is_none() || known.id.as_deref() == id)
        };
        let found = self.0.iter().filter(fits).take(Self::MAX_CANDIDATES);
        found.map(|known| known.key.clone()).collect()
    }
}

impl PublicKey {
    /// Returns the key if it is meant for signatures of one of the algorithms.
    pub(in crate::auth) fn of(jwk: &Jwk) -> Option<Self> {
        let algorithm = algorithm_of(jwk)?;
        let is_meant = is_for_signatures(&jwk.common);
        let key = DecodingKey::from_jwk(jwk).ok()?;
        is_meant.then(|| Self { id: jwk.common.key_id.clone(), algorithm, key })
    }
}

/// Returns whether the key is meant to verify signatures (RFC 7517, sections 4.2 and 4.3).
fn is_for_signatures(common: &CommonParameters) -> bool {
    let has_use = match &common.public_key_use {
        Some(PublicKeyUse::Signature) | None => true,
        Some(_) => false,
    };
    has_use && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify))
}

/// Returns the one algorithm for which this key is used.
fn algorithm_of(jwk: &Jwk) -> Option<SignatureAlgorithm> {
    let named = jwk.common.key_algorithm;
    match &jwk.algorithm {
        AlgorithmParameters::RSA(key) => {
            let modulus = URL_SAFE_NO_PAD.decode(&key.n).ok()?;
            let is_named = matches!(named, None | Some(KeyAlgorithm::RS256));
            (is_named && KeySet::RSA_BITS.contains(&bits(&modulus)))
                .then_some(SignatureAlgorithm::Rs256)
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            matches!(named, None | Some(KeyAlgorithm::ES256)).then_some(SignatureAlgorithm::Es256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            matches!(named, None | Some(KeyAlgorithm::EdDSA)).then_some(SignatureAlgorithm::EdDsa)
        }
        _ => None,
    }
}

/// Returns the length of a number in bits.
fn bits(number: &[u8]) -> usize {
    let digits =
        number.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &number[first..]);
    let leading = digits.first().map_or(0, |byte| byte.leading_zeros() as usize);
    digits.len() * 8 - leading
}

#[cfg(test)]
#[path = "key_set_tests.rs"]
mod tests;
