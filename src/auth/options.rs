//! The options of tokens and passwords.

use std::time::Duration;

use serde::Deserialize;

use super::{Secret, TokenOptions};

/// The section `auth` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthOptions {
    /// The secret that signs tokens, at least 32 bytes. If not set, it is generated at the first start and kept in the
    /// data folder.
    pub secret: Option<Secret>,
    /// The lifetime of a new token, at least a minute.
    #[serde(with = "humantime_serde")]
    pub token_life: Duration,
    /// The clock difference that is tolerated when a token is checked, at most five minutes.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// The `iss` claim of new tokens, required of every token. If not set, it is neither written nor checked.
    pub issuer: Option<String>,
    /// The `aud` claim of new tokens, required of every token. If not set, it is neither written nor checked.
    pub audience: Option<String>,
    /// Whether a valid token of an unknown user creates an account.
    pub enrol: bool,
    /// Memory for hashing one password, in KiB; at least 8 per lane.
    pub argon2_memory_kib: u32,
    /// Passes over that memory, at least 1.
    pub argon2_passes: u32,
    /// Lanes that share that memory, at least 1. One thread computes them all.
    pub argon2_lanes: u32,
    /// Passwords that are hashed at the same time. 0 means half the cores, but at least 1.
    pub hashes_at_once: usize,
    /// Passwords that may wait to be hashed, half of them for one network. Of more, the newest of the last rank and the network
    /// with the most gets [`PasswordError::Busy`](super::PasswordError::Busy).
    pub hashes_waiting: usize,
}

impl AuthOptions {
    /// Returns the options of [`Tokens`](super::Tokens).
    #[must_use]
    pub fn token_options(&self) -> TokenOptions {
        TokenOptions {
            life: self.token_life,
            leeway: self.leeway,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
        }
    }
}
