//! The metrics page of a node.

use std::net::SocketAddr;

use crate::{HttpReply, http_client};

/// A node's metrics at one moment.
#[derive(Debug)]
pub struct Metrics(String);

impl Metrics {
    /// Reads the metrics of the node at `address`.
    pub async fn of(address: SocketAddr) -> Self {
        let page = HttpReply::to(http_client().get(format!("http://{address}/metrics"))).await;
        Self(page.text().to_owned())
    }

    /// The value of a metric by its name, labels included.
    ///
    /// Nodes show every metric from the start, so a missing one fails the test, and so does a gauge below zero.
    #[must_use]
    pub fn value(&self, name: &str) -> u64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let value: f64 =
            line.unwrap_or_else(|| panic!("{name} is missing in\n{}", self.0)).parse().unwrap();
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
