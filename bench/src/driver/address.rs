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
    /// The text is not such an address.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let url = Url::parse(text).with_context(|| format!("{text} is not an address"))?;
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        ensure!(is_web, "{text} is not an address such as https://docs.example.org");
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
