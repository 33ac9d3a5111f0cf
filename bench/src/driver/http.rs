//! GraphQL over HTTP, with which users and documents are created and read.

use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Address, Operation};

/// How often an operation is repeated that the server could not execute at the time.
const ATTEMPTS: usize = 100;

/// The pause before an operation is repeated.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest time for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A client of one node.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
    url: String,
}

impl Http {
    /// Creates a client.
    ///
    /// # Errors
    /// The system has no working TLS.
    pub(crate) fn new(address: &Address) -> anyhow::Result<Self> {
        // As the WebSockets, which use none either.
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        Ok(Self { client, url: address.http("graphql") })
    }

    /// Runs an operation and returns its `data`. Repeats it while the server is busy or the rate limit is exceeded.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the operation.
    pub(crate) async fn run(
        &self,
        token: Option<&str>,
        operation: Operation,
        variables: Value,
    ) -> anyhow::Result<Value> {
        let body = json!({ "query": operation.0, "variables": variables });
        let mut last = Value::Null;
        for _ in 0..ATTEMPTS {
            let mut request = self.client.post(&self.url).json(&body);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.with_context(|| {
                format!("{} cannot be reached: check that it runs, and --url", self.url)
            })?;
            let status = response.status();
            let mut answer: Value = response.json().await.with_context(|| {
                format!("{} answers with status {status} and no JSON: it is not coscribe", self.url)
            })?;
            let Some(error) = answer["errors"].get_mut(0) else {
                return Ok(answer["data"].take());
            };
            last = error["message"].take();
            match error["extensions"]["code"].as_str() {
                Some("RATE_LIMITED" | "UNAVAILABLE") => sleep(PAUSE).await,
                _ => bail!("the server refuses an operation: {last}. It was {}", operation.0),
            }
        }
        let time = PAUSE * ATTEMPTS as u32;
        bail!("the server could not do this for {time:?}: {last}. It was {}", operation.0)
    }
}
