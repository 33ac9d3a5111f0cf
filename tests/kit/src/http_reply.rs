//! HTTP replies.

use std::net::IpAddr;

use reqwest::{RequestBuilder, header::HeaderMap};
use serde_json::Value;

use crate::{Answer, within};

/// The status, headers and body of a reply.
#[derive(Debug)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    headers: HeaderMap,
    body: String,
}

impl HttpReply {
    /// Sends a request and waits for its reply.
    pub async fn to(request: RequestBuilder) -> Self {
        Self::try_to(request).await.unwrap()
    }

    /// Sends a request and waits for its reply; an error if the node ends the connection before the whole reply.
    pub(crate) async fn try_to(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = within("a reply", request.send()).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = within("the body of a reply", response.text()).await?;
        Ok(Self { status, headers, body })
    }

    /// The value of a header; empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.body
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?} is not JSON"))
    }

    /// The body as the answer to an operation.
    #[must_use]
    pub fn answer(&self) -> Answer {
        Answer::executed(self.json())
    }

    /// The code of the only error.
    pub fn code(&self) -> String {
        self.answer().code().to_owned()
    }
}

/// An HTTP client that keeps no idle connection, which would delay the shutdown of its node, and follows no redirect.
#[must_use]
pub fn http_client() -> reqwest::Client {
    build(reqwest::Client::builder())
}

/// As [`http_client`], with this address of the machine, for example 127.0.0.2 on Linux.
#[must_use]
pub fn http_client_at(address: IpAddr) -> reqwest::Client {
    build(reqwest::Client::builder().local_address(address))
}

fn build(client: reqwest::ClientBuilder) -> reqwest::Client {
    let client = client.pool_max_idle_per_host(0).redirect(reqwest::redirect::Policy::none());
    client.build().unwrap()
}
