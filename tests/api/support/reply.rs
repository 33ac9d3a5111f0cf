//! Answers to HTTP requests.

use serde_json::Value;

use super::{Answer, within};

/// Status, headers and body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
    body: String,
}

impl Reply {
    /// Sends a request and waits for its reply.
    pub(crate) async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = within("a reply", request.send()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = within("the rest of a reply", response.text()).await.unwrap();
        Self { status, headers, body }
    }

    /// The value of a header; empty if it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("{self:?} is no JSON"))
    }

    /// The body as the answer to an operation.
    pub(crate) fn answer(&self) -> Answer {
        Answer::executed(self.json())
    }

    /// The code of its only error.
    pub(crate) fn code(&self) -> String {
        self.answer().code().to_owned()
    }
}

/// An HTTP client that keeps no connection: one that is idle would hold up the end of its node.
pub(crate) fn http_client() -> reqwest::Client {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0);
    client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
}
