//! Who is asking: the signing key, the tokens signed with it, and the passwords of accounts.
//!
//! A token is signed and checked by [`Tokens`] with [`SigningKeys`]; the keys come from the settings or from a file
//! in the data folder. [`Passwords`] hashes and verifies, a bounded number at a time and away from the threads
//! that serve sockets. Nothing here looks up an account: callers bring the stored hash, or say that there is none.
//!
//! Invariants: the key decides the algorithm, never the token; no secret, token or password is logged or
//! part of an error; time is an argument.

mod keys;
mod options;
mod passwords;
mod secret;
mod secret_file;
mod tokens;
#[cfg(test)]
mod tokens_tests;

pub use keys::{KeyError, SigningKeys};
pub use options::AuthOptions;
pub use passwords::{PasswordError, Passwords};
pub use secret::Secret;
pub use secret_file::SecretFileError;
pub use tokens::{Claims, MintedToken, TokenError, TokenOptions, Tokens};
