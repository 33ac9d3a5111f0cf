//! The options of tokens and passwords.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::{DocumentTokenOptions, IssuerOptions, Secret, TokenOptions};

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
    /// The longest time for which a sign-in with a password gets new tokens. Not shorter than `token_life`.
    #[serde(with = "humantime_serde")]
    pub sign_in_life: Duration,
    /// The clock difference that is tolerated when a token is checked, at most five minutes.
    #[serde(with = "humantime_serde")]
    pub leeway: Duration,
    /// The `iss` claim of new tokens, required of every token. If not set, it is neither written nor checked.
    pub issuer: Option<String>,
    /// The `aud` claim of new tokens, required of every token. If not set, it is neither written nor checked.
    pub audience: Option<String>,
    /// Whether a valid token of an unknown user creates an account, if it is signed with our secret.
    pub enrol: bool,
    /// Outside issuers, by the names that the operator has given them.
    #[serde(default)]
    pub issuers: BTreeMap<String, IssuerOptions>,
    /// The address of the application that is asked which level a user has on a document. If not set, nobody is asked.
    pub ask: Option<String>,
    /// The bearer token of questions.
    pub ask_secret: Option<Secret>,
    /// Whether questions may be sent to another machine over plain HTTP.
    pub ask_over_http: bool,
    /// Document tokens must name this in their `aud` claim.
    pub document_audience: String,
    /// The longest time for which a document token is valid.
    #[serde(with = "humantime_serde")]
    pub document_token_life: Duration,
    /// Whether users may sign in with a password.
    pub local: LocalAccounts,
    /// Whether strangers may create accounts with a password.
    pub registration: AccountRegistration,
    /// Whether `grantAccess` by e-mail address also finds a local account whose address nobody has confirmed. Strangers can
    /// register addresses of others.
    pub unconfirmed_addresses: bool,
    /// How long a guest without an account may keep a document open, at least a minute.
    #[serde(with = "humantime_serde")]
    pub guest_life: Duration,
    /// The most guests that a link may admit at a time. 0: links admit no guests.
    pub guests_per_link: u32,
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

/// Whether users may sign in with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalAccounts {
    /// They may if there is no outside issuer.
    Auto,
    /// They may.
    On,
    /// They may not.
    Off,
}

/// Whether strangers may create accounts with a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccountRegistration {
    /// They may, where users may sign in with a password.
    Open,
    /// Only the operator creates accounts.
    Closed,
}

impl AuthOptions {
    /// Returns whether users may sign in with a password.
    #[must_use]
    pub fn has_local_accounts(&self) -> bool {
        match self.local {
            LocalAccounts::Auto => self.issuers.is_empty(),
            LocalAccounts::On => true,
            LocalAccounts::Off => false,
        }
    }

    /// Returns whether strangers may create accounts.
    #[must_use]
    pub fn is_registration_open(&self) -> bool {
        self.has_local_accounts() && self.registration == AccountRegistration::Open
    }

    /// Returns the options of document tokens.
    #[must_use]
    pub fn document_token_options(&self) -> DocumentTokenOptions {
        DocumentTokenOptions {
            audience: self.document_audience.clone(),
            life: self.document_token_life,
            leeway: self.leeway,
        }
    }

    /// Returns the options of [`Tokens`](super::Tokens).
    #[must_use]
    pub fn token_options(&self) -> TokenOptions {
        TokenOptions {
            life: self.token_life,
            sign_in_life: self.sign_in_life,
            leeway: self.leeway,
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
        }
    }
}
