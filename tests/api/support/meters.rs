//! The metrics page of a node.

use std::net::SocketAddr;

use super::{TestNode, http_client, within};

/// What a node counted, at one moment.
pub(crate) struct Meters(String);

impl TestNode {
    /// What the node has counted by now.
    pub(crate) async fn meters(&self) -> Meters {
        Meters::of(&http_client(), self.node().address()).await
    }

    /// Waits until a meter shows a value.
    pub(crate) async fn until_meter(&self, name: &str, value: f64) {
        let http = http_client();
        let shown =
            async { while Meters::of(&http, self.node().address()).await.value(name) != value {} };
        within(&format!("{name} {value}"), shown).await;
    }
}

impl Meters {
    /// What a node that listens there has counted.
    pub(crate) async fn of(http: &reqwest::Client, address: SocketAddr) -> Self {
        let page = http.get(format!("http://{address}/metrics")).send();
        let page = within("the metrics page", page).await.unwrap();
        Self(within("the metrics page", page.text()).await.unwrap())
    }

    /// The value of a meter by its name, labels included.
    pub(crate) fn value(&self, name: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is missing in\n{}", self.0)).parse().unwrap()
    }

    /// How many operations of a kind have ended with an outcome.
    pub(crate) fn operations(&self, kind: &str, outcome: &str) -> f64 {
        self.value(&format!(r#"coscribe_operations_total{{kind="{kind}",outcome="{outcome}"}}"#))
    }

    /// How many subscriptions have taken a seat so far.
    pub(super) fn subscriptions_begun(&self) -> f64 {
        self.operations("subscription", "ok")
    }
}
