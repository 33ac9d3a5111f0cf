//! Authentication: the signing key, the tokens that it signs, and the passwords of accounts.
//!
//! [`Tokens`] signs and verifies tokens with [`SigningKeys`], which come from the settings or from a file in the data
//! folder. [`Passwords`] hashes and verifies passwords, a bounded number at a time, on threads that serve no sockets.
//! No account is looked up here: callers pass the stored hash, or none.
//!
//! Invariants: the key decides the algorithm, never the token; logs and errors contain no secret, token or password;
//! time is an argument.

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
