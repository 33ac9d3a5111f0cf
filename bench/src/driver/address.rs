//! Where a node is.

use anyhow::{Context as _, ensure};
use reqwest::Url;
use tokio_tungstenite::tungstenite::{
    client::IntoClientRequest as _,
    handshake::client::Request,
    http::{HeaderValue, header},
};

/// The base address of a node or of a deployment.
#[derive(Debug, Clone)]
pub(crate) struct Address(Url);

impl Address {
    /// Parses `http://HOST:PORT` or `https://HOST`, with or without a path.
    ///
    /// # Errors
    /// The text is not such an address, or it contains a user name, a password, a query or a fragment.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        // A text that may contain a password is not repeated.
        let url = Url::parse(text).ok().filter(Url::has_host);
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = url.context("an address is not like https://docs.example.org or http://10.0.0.7:4000: correct --url")?;
        ensure!(
            url.username().is_empty() && url.password().is_none(),
            "an address contains a user name or a password, which coscribe does not use: remove it from --url"
        );
        ensure!(
            url.query().is_none() && url.fragment().is_none(),
            "the address {url} contains `?` or `#`: --url takes the scheme, the host, the port and a path only"
        );
        Ok(Self(url))
    }

    /// Returns the address of a path below the base.
    pub(crate) fn http(&self, path: &str) -> String {
        format!("{}/{path}", self.0.as_str().trim_end_matches('/'))
    }

    /// Returns the handshake of a WebSocket with a token in its header.
    ///
    /// # Errors
    /// The path or the token cannot be part of a request.
    pub(crate) fn handshake(&self, path: &str, token: &str) -> anyhow::Result<Request> {
        let mut request = self.http(path).replacen("http", "ws", 1).into_client_request()?;
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"))?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
        Ok(request)
    }

    /// Returns the host and the port.
    pub(crate) fn host_and_port(&self) -> (&str, u16) {
        (self.0.host_str().unwrap_or_default(), self.0.port_or_known_default().unwrap_or(80))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_below_the_base() {
        let address = Address::parse("https://docs.example.org/a/").unwrap();
        assert_eq!(address.http("graphql"), "https://docs.example.org/a/graphql");
        assert_eq!(address.host_and_port(), ("docs.example.org", 443));
    }

    #[test]
    fn an_address_with_a_password_is_refused_without_repeating_it() {
        for text in ["https://ann:hush@example.org", "ftp://ann:hush@example.org", "ann:hush"] {
            let error = format!("{:#}", Address::parse(text).unwrap_err());
            assert!(error.contains("--url") && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn an_address_with_a_query_is_refused() {
        assert!(Address::parse("https://example.org/?a=b").is_err());
    }
}
