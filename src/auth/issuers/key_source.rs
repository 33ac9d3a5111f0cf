//! Where the keys of an issuer come from: a file, the address of a JWK Set, or the one that the OpenID configuration of the
//! issuer names (OpenID Connect Discovery 1.0, section 4).

use std::{io, path::PathBuf};

use reqwest::{Client, Url};
use serde::Deserialize;
use thiserror::Error;

use super::{
    IssuerOptions,
    key_set::{KeySet, KeySetError},
};
use crate::outgoing::{self, BodyError, is_this_machine};

/// The most bytes of an answer or a file.
const MAX_BYTES: usize = 512 * 1024;

/// Why keys could not be fetched.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    /// The file cannot be read.
    #[error("the file cannot be read")]
    File(#[from] io::Error),
    /// The issuer does not answer, or with another status than 200.
    #[error("the issuer gives no answer")]
    Request(#[from] reqwest::Error),
    /// The body of the answer could not be read.
    #[error("the answer cannot be read")]
    Body(#[from] BodyError),
    /// The file has too many bytes.
    #[error("the file has more than {MAX_BYTES} bytes")]
    TooLarge,
    /// The keys cannot be used.
    #[error("the keys cannot be used")]
    Keys(#[from] KeySetError),
    /// The OpenID configuration has another form.
    #[error("the OpenID configuration cannot be read")]
    Configuration(#[from] serde_json::Error),
    /// The OpenID configuration is of another issuer (OpenID Connect Discovery 1.0, section 4.3).
    #[error("the OpenID configuration is that of the issuer {found:?}")]
    OtherIssuer {
        /// Its issuer.
        found: String,
    },
    /// An address must not be used.
    #[error("the address {address:?} of the keys {problem}")]
    Address {
        /// The address.
        address: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Where the keys are.
enum Place {
    File(PathBuf),
    Address(String),
    /// The OpenID configuration at this address names it.
    Configuration(String),
}

impl Place {
    fn of(options: &IssuerOptions) -> Self {
        match &options.keys {
            Some(keys) if keys.contains("://") => Self::Address(keys.clone()),
            Some(keys) => Self::File(PathBuf::from(keys)),
            None => {
                let base = options.issuer.trim_end_matches('/');
                Self::Configuration(format!("{base}/.well-known/openid-configuration"))
            }
        }
    }
}

/// The source of an issuer's keys.
pub(super) struct KeySource {
    place: Place,
    issuer: String,
    allow_http: bool,
    client: Client,
}

/// The members of an OpenID configuration that are used.
#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

impl KeySource {
    /// Creates the source of an issuer's keys.
    ///
    /// # Errors
    /// TLS cannot be used on this machine.
    pub(super) fn new(options: &IssuerOptions) -> Result<Self, reqwest::Error> {
        let place = Place::of(options);
        let client = outgoing::client()?;
        let (issuer, allow_http) = (options.issuer.clone(), options.allow_http);
        Ok(Self { place, issuer, allow_http, client })
    }

    /// Fetches the keys.
    ///
    /// # Errors
    /// [`FetchError`].
    pub(super) async fn fetch(&self) -> Result<KeySet, FetchError> {
        let json = match &self.place {
            Place::File(path) => read(path.clone()).await?,
            Place::Address(address) => self.load(address).await?,
            Place::Configuration(address) => {
                let configuration = self.load(address).await?;
                let found: Configuration = serde_json::from_slice(&configuration)?;
                if found.issuer != self.issuer {
                    return Err(FetchError::OtherIssuer { found: found.issuer });
                }
                self.load(&found.jwks_uri).await?
            }
        };
        Ok(KeySet::parse(&json)?)
    }

    async fn load(&self, address: &str) -> Result<Vec<u8>, FetchError> {
        let url = check_address(address, self.allow_http)
            .map_err(|problem| FetchError::Address { address: address.to_owned(), problem })?;
        let answer = self.client.get(url).send().await?.error_for_status()?;
        Ok(outgoing::read_body(answer, MAX_BYTES).await?)
    }
}

/// Reads a file on a thread that serves no sockets.
async fn read(path: PathBuf) -> Result<Vec<u8>, FetchError> {
    use io::Read as _;
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    });
    let bytes = reading.await.map_err(io::Error::other)??;
    if bytes.len() > MAX_BYTES { Err(FetchError::TooLarge) } else { Ok(bytes) }
}

/// Checks where the keys of an issuer are, without I/O.
///
/// # Errors
/// What is wrong with the address, which is named.
pub fn check_key_place(options: &IssuerOptions) -> Result<(), String> {
    match Place::of(options) {
        Place::File(_) => Ok(()),
        Place::Address(address) | Place::Configuration(address) => {
            let checked = check_address(&address, options.allow_http);
            checked.map(drop).map_err(|problem| format!("{address:?} {problem}"))
        }
    }
}

/// Returns the URL of an address if keys may come from there.
///
/// # Errors
/// What is wrong with it.
fn check_address(address: &str, allow_http: bool) -> Result<Url, &'static str> {
    let url: Url = address.parse().map_err(|_error| "is not a URL")?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_http || is_this_machine(&url) => Ok(url),
        "http" => Err("begins with http://, where others on the network could replace the keys"),
        _ => Err("does not begin with https://"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_by_https_or_from_this_machine() {
        for address in [
            "https://login.example.org/keys",
            "http://localhost:8080/keys",
            "http://127.0.0.1/k",
            "http://[::1]/k",
        ] {
            assert!(check_address(address, false).is_ok(), "{address}");
        }
        for address in [
            "http://login.example.org/keys",
            "http://localhost.example.org/",
            "ftp://localhost/keys",
            "https:///",
            "://",
        ] {
            assert!(check_address(address, false).is_err(), "{address}");
        }
        assert!(check_address("http://keycloak:8080/keys", true).is_ok());
        assert!(check_address("file:///etc/passwd", true).is_err());
    }
}
