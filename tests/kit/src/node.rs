//! What all nodes of a test have in common.

use std::net::SocketAddr;

use coscribe::domain::DocumentId;

use crate::{
    Client as _, Handshake, HttpReply, Metrics, Person, Stranger, expect_eventually, http_client,
    within,
};

/// The gauges of a node that has no clients.
const CLIENT_GAUGES: [&str; 10] = [
    "active_websocket_connections",
    "active_subscriptions_total{topic=\"changes\"}",
    "active_subscriptions_total{topic=\"presence\"}",
    "active_subscriptions_total{topic=\"cursors\"}",
    "coscribe_active_subscriptions{topic=\"document\"}",
    "coscribe_rooms",
    "coscribe_members",
    "coscribe_seats_behind",
    "coscribe_operations_waiting",
    "coscribe_outbox_bytes",
];

/// A node that clients can reach: one inside the test, or a process.
pub trait Node {
    /// The address at which it listens.
    fn address(&self) -> SocketAddr;

    /// The address at which it serves its metrics.
    fn metrics_address(&self) -> SocketAddr {
        self.address()
    }

    /// `http://ADDRESS` and this path.
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Registers a person.
    async fn person(&self, name: &str) -> Person {
        Person::register(self.address(), name).await
    }

    /// A client without a token.
    fn stranger(&self) -> Stranger {
        Stranger::at(self.address())
    }

    /// Registers Alice and Bob and creates a document of Alice's that Bob may edit.
    async fn alice_and_bob(&self) -> (Person, Person, DocumentId) {
        let (alice, bob) = (self.person("Alice").await, self.person("Bob").await);
        let document = alice.create_document("Project Alpha", "Welcome.").await;
        alice.grant(document, &bob, "EDIT").await.value();
        bob.accept_access(document).await.value();
        (alice, bob, document)
    }

    /// A WebSocket handshake as a browser sends it, without a token.
    fn handshake(&self) -> Handshake {
        Handshake::to(self.address())
    }

    /// Sends a GET request without a token.
    async fn get(&self, path: &str) -> HttpReply {
        HttpReply::to(http_client().get(self.url(path))).await
    }

    /// Reads the metrics.
    async fn metrics(&self) -> Metrics {
        Metrics::of(self.metrics_address()).await
    }

    /// Reads one metric by its name, labels included.
    async fn metric(&self, name: &str) -> u64 {
        self.metrics().await.value(name)
    }

    /// Reads the number of seats.
    async fn seats(&self) -> u64 {
        self.metrics().await.seats()
    }

    /// Waits until the node has this many seats.
    async fn expect_seats(&self, count: u64) {
        expect_eventually(&format!("{count} seats"), async || self.seats().await == count).await;
    }

    /// Waits until a metric has this value.
    async fn expect_metric(&self, name: &str, value: u64) {
        self.expect_metric_that(&format!("{name} of {value}"), name, |shown| shown == value).await;
    }

    /// Waits until the value of a metric meets a condition, which `what` describes.
    async fn expect_metric_that(&self, what: &str, name: &str, condition: impl Fn(u64) -> bool) {
        let checks = async { while !condition(self.metric(name).await) {} };
        within(what, checks).await;
    }

    /// Waits until no client, subscription or room is left.
    async fn expect_no_leftovers(&self) {
        for gauge in CLIENT_GAUGES {
            self.expect_metric(gauge, 0).await;
        }
    }
}
