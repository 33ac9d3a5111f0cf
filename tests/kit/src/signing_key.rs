//! Keys of outside issuers.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::Value;

/// A key with which an issuer signs tokens.
#[derive(Clone)]
pub struct SigningKey {
    /// Its id.
    pub id: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl SigningKey {
    /// An RSA key of 2,048 bits, always the same.
    #[must_use]
    pub fn rs256(id: &str) -> Self {
        let key = EncodingKey::from_rsa_der(include_bytes!("../keys/rs256.der"));
        Self { id: id.to_owned(), algorithm: Algorithm::RS256, key }
    }

    /// A key on the curve P-256, always the same.
    #[must_use]
    pub fn es256(id: &str) -> Self {
        let key = EncodingKey::from_ec_der(include_bytes!("../keys/es256.der"));
        Self { id: id.to_owned(), algorithm: Algorithm::ES256, key }
    }

    /// A new Ed25519 key.
    #[must_use]
    pub fn ed_dsa(id: &str) -> Self {
        // PKCS #8 (RFC 8410, section 7): a fixed head, then the 32 bytes of the key.
        let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
        der.extend(uuid::Uuid::new_v4().as_bytes());
        der.extend(uuid::Uuid::new_v4().as_bytes());
        let key = EncodingKey::from_ed_der(&der);
        Self { id: id.to_owned(), algorithm: Algorithm::EdDSA, key }
    }

    /// The same key with another id.
    #[must_use]
    pub fn named(self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self }
    }

    /// The public half as a JWK.
    #[must_use]
    pub fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).unwrap()
    }

    /// A token with these claims, whose header names the key.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(Header { kid: Some(self.id.clone()), ..Header::new(self.algorithm) }, claims)
    }

    /// A token with this header.
    #[must_use]
    pub fn sign_as(&self, header: Header, claims: &Value) -> String {
        encode(&header, claims, &self.key).unwrap()
    }
}
