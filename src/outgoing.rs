//! Outgoing HTTP requests: to identity providers for their keys, and to an application that decides on access.
//!
//! Both get the same client: a deadline for each answer, no redirects, and a bound for the body.

use std::time::Duration;

use reqwest::{Client, Response, Url, redirect::Policy};
use thiserror::Error;

/// The longest time that one answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Why a body could not be read.
#[derive(Debug, Error)]
pub enum BodyError {
    /// The connection failed.
    #[error("the body did not arrive")]
    Connection(#[from] reqwest::Error),
    /// The body has too many bytes.
    #[error("the body has more than {most} bytes")]
    TooLarge {
        /// The most bytes.
        most: usize,
    },
}

/// Returns a client for requests to other servers.
///
/// # Errors
/// TLS cannot be used on this machine.
pub fn client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .timeout(ANSWER_WITHIN)
        // A redirect could lead to an address by HTTP.
        .redirect(Policy::none())
        // The workers of the node share it, and a connection belongs to the worker that opened it.
        .pool_max_idle_per_host(0)
        .user_agent(concat!("coscribe/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Reads the body of an answer, at most `most` bytes.
///
/// # Errors
/// [`BodyError`].
pub async fn read_body(mut answer: Response, most: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > most {
            return Err(BodyError::TooLarge { most });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Returns whether a URL leads to this machine.
#[must_use]
pub fn is_this_machine(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost" | "[::1]") => true,
        Some(host) => host.parse().is_ok_and(|address: std::net::Ipv4Addr| address.is_loopback()),
        None => false,
    }
}
