//! What a token says before its signature is verified: the members of its header, and who is said to have issued it.
//!
//! They choose the key that verifies it and nothing else.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de::DeserializeOwned, de::IgnoredAny};

use super::TokenError;

/// The members of a token's header that are checked.
#[derive(Deserialize)]
pub(super) struct TokenHead {
    /// The algorithm of the signature.
    pub(super) alg: String,
    /// The id of the key, if the header has one.
    pub(super) kid: Option<String>,
    /// The type of the token, if the header has one.
    typ: Option<String>,
    /// Whether it demands extensions, even with `null`.
    #[serde(default, rename = "crit", deserialize_with = "is_present")]
    has_crit: bool,
}

/// Reads that a member is there, whatever its value.
fn is_present<'de, D: Deserializer<'de>>(source: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(source).map(|_any| true)
}

impl TokenHead {
    /// Reads the header of a token.
    ///
    /// # Errors
    /// [`TokenError::Malformed`]: it is no header, or it demands extensions, and none is supported (RFC 7515, section
    /// 4.1.11).
    pub(super) fn read(token: &str) -> Result<Self, TokenError> {
        let head: Self = token.split('.').next().and_then(parse).ok_or(TokenError::Malformed)?;
        if head.has_crit { Err(TokenError::Malformed) } else { Ok(head) }
    }

    /// Returns whether the token may say who a user is. Others, such as those that announce a sign-out, have types of their
    /// own (RFC 8725, section 3.11).
    pub(super) fn may_identify(&self) -> bool {
        let Some(typ) = &self.typ else { return true };
        let typ = typ.to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        // Access tokens (RFC 9068, section 2.1) have a type of their own as well.
        !typ.ends_with("+jwt") || typ == "at+jwt"
    }
}

/// Returns the `iss` claim of a token, if it has one. Its signature may be wrong.
pub(super) fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct IssuerClaim {
        iss: Option<String>,
    }
    token.split('.').nth(1).and_then(parse).and_then(|claim: IssuerClaim| claim.iss)
}

fn parse<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
