//! Authentication: the signing key, the tokens that it signs, and the passwords of accounts.
//!
//! [`Tokens`] signs and verifies tokens with [`SigningKeys`], which come from the settings or from a file in the data
//! folder. [`Passwords`] hashes and verifies passwords, a bounded number at a time, on threads that serve no sockets.
//! No account is looked up here: callers pass the stored hash, or none. [`SignIns`] counts failed attempts to sign in, and
//! [`AddressLookUps`] how often users look up others.
//!
//! Invariants: the key decides the algorithm, never the token; logs and errors contain no secret, token or password;
//! time is an argument.

mod address_look_ups;
mod failure_counts;
mod keys;
mod known_sources;
mod options;
mod passwords;
mod secret;
mod secret_file;
mod sign_ins;
mod tokens;
#[cfg(test)]
mod tokens_tests;

pub use address_look_ups::AddressLookUps;
pub use keys::{KeyError, SigningKeys};
pub use options::AuthOptions;
pub use passwords::{HashRank, HashTurn, PasswordError, Passwords};
pub use secret::Secret;
pub use secret_file::SecretFileError;
pub use sign_ins::{SignInAttempt, SignInLimits, SignIns, TooManyFailures};
pub use tokens::{Claims, MintedToken, TokenError, TokenOptions, Tokens};
