//! The secrets of invitations and links. Only their hashes are stored.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The random bytes of a secret, which make it impossible to guess.
const BYTES: usize = 32;

/// The secret of an invitation or a link.
pub struct LinkSecret(String);

impl LinkSecret {
    /// Generates a secret of 43 characters, all of which may be part of an address.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut random = [0; BYTES];
        getrandom::fill(&mut random)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(random)))
    }

    /// Takes a secret as a client has sent it.
    #[must_use]
    pub fn sent(text: String) -> Self {
        Self(text)
    }

    /// Returns the text, to be shown once.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the SHA-256 hash. The secret is random, so that a hash without salt suffices.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_their_hashes_find_them_again() {
        let (one, other) = (LinkSecret::generate().unwrap(), LinkSecret::generate().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), 43);
        assert_eq!(LinkSecret::sent(one.expose().to_owned()).hash(), one.hash());
    }
}
