//! Authentication: the signing key, the tokens that it signs, and the passwords of accounts.
//!
//! [`Tokens`] signs and verifies tokens with [`SigningKeys`], which come from the settings or from a file in the data
//! folder. [`Issuers`] verifies those of identity providers,
//! [`ApplicationKeys`] document tokens, and [`Verifier`] those of all. [`Tickets`] open documents once. [`Passwords`] hashes and
//! verifies passwords, a bounded number at a time, on threads that serve no sockets. No account is looked up here: callers
//! pass the stored hash, or none. [`SignIns`] counts failed attempts to sign in, and
//! [`AddressLookUps`] how often users look up others.
//!
//! Invariants: the key decides the algorithm, never the token; logs and errors contain no secret, token or password;
//! time is an argument.

mod address_look_ups;
mod applications;
mod claims;
mod failure_counts;
mod issuers;
mod keys;
mod known_sources;
mod link_secret;
mod options;
mod passwords;
mod secret;
mod secret_file;
mod sign_ins;
mod tickets;
mod token_error;
mod token_head;
mod tokens;
#[cfg(test)]
mod tokens_tests;
mod verifier;

pub use address_look_ups::AddressLookUps;
pub use applications::{
    ApplicationKeys, DocumentGrants, DocumentTokenOptions, KeyTextError, RegisteredKey,
    application_subject,
};
pub use claims::{Claims, Subject};
pub use issuers::{IssuerOptions, Issuers, SignatureAlgorithm, check_key_place};
pub use keys::{KeyError, SigningKeys};
pub use link_secret::LinkSecret;
pub use options::{AccountRegistration, AuthOptions, LocalAccounts};
pub use passwords::{HashRank, HashTurn, PasswordError, Passwords};
pub use secret::Secret;
pub use secret_file::SecretFileError;
pub use sign_ins::{SignInAttempt, SignInLimits, SignIns, TooManyFailures};
pub use tickets::{IssuedTicket, TicketClaims, TicketError, Tickets};
pub use token_error::TokenError;
pub use tokens::{MintedToken, TokenOptions, Tokens};
pub use verifier::Verifier;
