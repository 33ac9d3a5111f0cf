//! What can be set about tokens and passwords.

use std::time::Duration;

use serde::Deserialize;

use super::{Secret, TokenOptions};

/// The section `auth` of the settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthOptions {
    /// Signs the tokens, at least 32 bytes; none: made on first start and kept in the data folder.
    pub secret: Option<Secret>,
    /// How long a token is good for, at least a minute.
    #[serde(with = "humantime_serde")]
    pub token_life: Duration,
    /// How far the clock of whoever signed a token may be off; at most five minutes.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// The `iss` of our tokens, required of every token; none: not written and not checked.
    pub issuer: Option<String>,
    /// The `aud` of our tokens, required of every token; none: not written and not checked.
    pub audience: Option<String>,
    /// Whether a valid token of an unknown user makes an account.
    pub enrol: bool,
    /// Memory that hashing one password takes, in KiB; at least 8 for every lane.
    pub argon2_memory_kib: u32,
    /// How often hashing goes over that memory, at least 1.
    pub argon2_passes: u32,
    /// Into how many lanes that memory is split, at least 1; one thread computes them all.
    pub argon2_lanes: u32,
    /// How many passwords are hashed at the same time; 0: one for every two cores.
    pub hashes_at_once: usize,
    /// How many more may wait for their turn; past it the answer is that the server is busy.
    pub hashes_waiting: usize,
}

impl AuthOptions {
    /// The part of it that tokens need.
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
