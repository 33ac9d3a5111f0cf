//! The metrics page of a node.

use std::net::SocketAddr;

use crate::{HttpReply, http_client, within};

/// A node's metrics at one moment.
#[derive(Debug)]
pub struct Metrics(String);

impl Metrics {
    /// Reads the metrics of the node at `address`, again if the node refuses it because of `limits.checks_per_second`.
    pub async fn of(address: SocketAddr) -> Self {
        let reading = async {
            loop {
                let request = http_client().get(format!("http://{address}/metrics"));
                let page = HttpReply::to(request).await;
                // The refusal takes 200 ms, so the next attempt need not wait.
                if page.status != 429 {
                    return Self(page.text().to_owned());
                }
            }
        };
        within("a reading of the metrics", reading).await
    }

    /// The value of a metric by its name, labels included.
    ///
    /// A labelled counter that has counted nothing may be missing and is zero. Any other missing metric, and a gauge below
    /// zero, fails the test.
    #[must_use]
    pub fn value(&self, name: &str) -> u64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let Some(line) = line else {
            assert!(name.contains("_total{"), "{name} is missing in\n{}", self.0);
            return 0;
        };
        let value: f64 = line.parse().unwrap();
        assert!(value >= 0.0 && value.fract() == 0.0, "{name} is {value}");
        value as u64
    }

    /// The number of operations of a kind that ended with this outcome.
    #[must_use]
    pub fn operations(&self, kind: &str, outcome: &str) -> u64 {
        self.value(&format!(r#"coscribe_operations_total{{kind="{kind}",outcome="{outcome}"}}"#))
    }

    /// The number of seats: active subscriptions of all topics.
    #[must_use]
    pub fn seats(&self) -> u64 {
        ["changes", "presence", "cursors"]
            .map(|topic| self.value(&format!("active_subscriptions_total{{topic=\"{topic}\"}}")))
            .iter()
            .sum()
    }

    /// The number of subscriptions that have taken a seat so far.
    pub(crate) fn subscriptions_started(&self) -> u64 {
        self.operations("subscription", "ok")
    }
}
