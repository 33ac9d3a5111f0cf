//! The options of an outside issuer.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use thiserror::Error;

/// A section `auth.issuers.NAME` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerOptions {
    /// The `iss` claim of its tokens. Empty if the setting is missing.
    #[serde(default)]
    pub issuer: String,
    /// A token must name one of these in its `aud` claim.
    pub audiences: Vec<String>,
    /// Where its keys are: the address of a JWK Set, or a file. If not set, its OpenID configuration names the address.
    pub keys: Option<String>,
    /// Whether keys may come by HTTP from another machine.
    pub allow_http: bool,
    /// The algorithms with which it may sign.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// How often its keys are fetched again.
    #[serde(with = "humantime_serde")]
    pub keys_every: Duration,
    /// How long keys are used that cannot be fetched again.
    #[serde(with = "humantime_serde")]
    pub keys_stale: Duration,
    /// The shortest time between two fetches.
    #[serde(with = "humantime_serde")]
    pub keys_retry: Duration,
    /// Whether a valid token of an unknown user creates an account.
    pub enrol: bool,
    /// The claim with the name of the user.
    pub name_claim: String,
    /// The claim with their e-mail address.
    pub email_claim: String,
    /// The claim that states whether the issuer has verified the address.
    pub email_verified_claim: String,
    /// The claim with their groups. If not set, they have none.
    pub groups_claim: Option<String>,
}

/// An algorithm of signatures with a public key (RFC 7518, section 3.1; RFC 8037, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum SignatureAlgorithm {
    /// RSA with SHA-256.
    Rs256,
    /// ECDSA with the curve P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

/// A name that is none of those of [`SignatureAlgorithm`].
#[derive(Debug, Error)]
#[error("names {0:?}, which is none of RS256, ES256 and EdDSA")]
pub struct UnknownAlgorithm(String);

impl TryFrom<String> for SignatureAlgorithm {
    type Error = UnknownAlgorithm;

    fn try_from(name: String) -> Result<Self, UnknownAlgorithm> {
        Self::named(&name).ok_or(UnknownAlgorithm(name))
    }
}

impl SignatureAlgorithm {
    /// Returns the algorithm with this name in the header of a token.
    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256, Self::EdDsa].into_iter().find(|known| known.name() == name)
    }

    /// Returns its name in the header of a token.
    pub(in crate::auth) const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    /// Returns the algorithm as the library names it.
    pub(in crate::auth) const fn of_library(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
        }
    }
}

#[cfg(test)]
pub(super) mod examples {
    use super::*;

    /// Returns an issuer with the defaults of the settings.
    pub(in crate::auth::issuers) fn company() -> IssuerOptions {
        IssuerOptions {
            issuer: "https://login.example.org".to_owned(),
            audiences: vec!["coscribe".to_owned()],
            keys: None,
            allow_http: false,
            algorithms: vec![
                SignatureAlgorithm::Rs256,
                SignatureAlgorithm::Es256,
                SignatureAlgorithm::EdDsa,
            ],
            keys_every: Duration::from_secs(600),
            keys_stale: Duration::from_secs(24 * 3600),
            keys_retry: Duration::from_secs(10),
            enrol: true,
            name_claim: "name".to_owned(),
            email_claim: "email".to_owned(),
            email_verified_claim: "email_verified".to_owned(),
            groups_claim: None,
        }
    }
}
