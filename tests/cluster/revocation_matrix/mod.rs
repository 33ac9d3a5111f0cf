//! Every way of having access ends within a second, in both protocols, on the node where it is ended and on another.

mod way;

use std::time::Duration;

use kit::{
    Application, Client as _, IdentityProvider, Node as _, Person, Questioned, SigningKey, TestNode,
};
use serde_json::json;
use tokio::time::Instant;

use way::{Scene, Way};

/// How long the end of access may take in half of the cases.
const MEDIAN_WITHIN: Duration = Duration::from_secs(1);

/// How long it may take in every case: a busy machine may stop for a while.
const WITHIN: Duration = Duration::from_secs(10);

/// Two nodes, and what surrounds them.
struct Nodes {
    node: TestNode,
    peer: TestNode,
    wiki: Application,
    itself: Person,
    provider: IdentityProvider,
    asked: Option<Questioned>,
    alice: Person,
}

impl Nodes {
    /// Starts nodes that compare this often what they know with the database.
    async fn start(compare_every: &str, asked: Option<Questioned>) -> Self {
        let provider = IdentityProvider::start(SigningKey::rs256("k1")).await;
        let mut settings = provider.settings("COMPANY");
        settings.extend(asked.iter().flat_map(Questioned::settings));
        let mut variables = vec![
            ("COSCRIBE__ROOM__COMPARE_EVERY", compare_every),
            ("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000"),
            ("COSCRIBE__AUTH__LOCAL", "on"),
            ("COSCRIBE__AUTH__ISSUERS__COMPANY__GROUPS_CLAIM", "groups"),
        ];
        variables.extend(settings.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let node = TestNode::start_with(&variables).await;
        let wiki = Application::register(&node, "wiki").await;
        let itself = wiki.itself(&node).await;
        let (peer, alice) = (node.start_peer().await, node.person("Alice").await);
        Self { node, peer, wiki, itself, provider, asked, alice }
    }

    /// Gives a person access in one way, ends it, and shows that nothing follows. Returns how long the end took.
    async fn expect_end(&self, way: Way, name: &str) -> Duration {
        let Self { node, peer, wiki, itself, provider, alice, .. } = self;
        let document = alice.create_document("Plan", "Hello").await;
        let asked = self.asked.as_ref();
        let scene = Scene { node, wiki, itself, provider, asked, alice, document };
        let (person, ending) = scene.give(way, name).await;
        let there = person.at(peer);
        let tabs = [person.open(document).await, there.open(document).await];
        let editors = [
            scene.open_editor(way, &person, node).await,
            scene.open_editor(way, &person, peer).await,
        ];

        let closes_sockets = ending.closes_sockets();
        let asked_at = Instant::now();
        scene.end(&person, ending).await;
        for editor in &editors {
            assert_eq!(editor.expect_close().await.0, 4403, "{way:?}");
        }
        for tab in &tabs {
            if closes_sockets {
                assert_eq!(tab.socket.expect_close().await.0, 4403, "{way:?}");
            } else {
                assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN", "{way:?}");
            }
        }
        let took = asked_at.elapsed();
        assert!(took < WITHIN, "{way:?}: {took:?}");
        // Nothing follows.
        alice.write(document, "Secret").await.value();
        for person in [&person, &there] {
            let read = "query($id: ID!) { document(id: $id) { content } }";
            let reply =
                person.send(&json!({ "query": read, "variables": { "id": document } })).await;
            assert!(!reply.text().contains("Secret"), "{way:?}");
            let write = "mutation($id: ID!) { updateDocument(id: $id, content: \"Mine\") { id } }";
            let body = json!({ "query": write, "variables": { "id": document } });
            let reply = person.send(&body).await;
            assert!(reply.text().contains("FORBIDDEN") || reply.status == 401, "{way:?}");
        }
        for editor in &editors {
            assert_eq!(editor.content(), "Hello", "{way:?}");
        }
        for tab in &tabs {
            assert!(!format!("{:?}", tab.socket.unread()).contains("Secret"), "{way:?}");
        }
        assert_eq!(alice.read_text(document).await, "Secret", "{way:?}");
        took
    }

    async fn stop(self) {
        self.peer.stop().await;
        self.node.stop().await;
    }
}

#[actix_web::test]
async fn every_way_of_having_access_ends_on_every_node_and_in_both_protocols() {
    // No node compares in time, so only the relay can bring the end, or the node's own clock.
    let nodes = Nodes::start("1h", None).await;
    let mut times = vec![];
    for (number, way) in Way::RELAYED.into_iter().enumerate() {
        let took = nodes.expect_end(way, &format!("Visitor{number}")).await;
        // A grant that ends by itself does so three seconds after it was given.
        if !matches!(way, Way::GrantThatEnds) {
            times.push(took);
        }
    }
    times.sort_unstable();
    assert!(times[times.len() / 2] < MEDIAN_WITHIN, "{times:?}");
    nodes.stop().await;
}

#[actix_web::test]
async fn an_answer_of_the_application_ends_on_every_node_and_in_both_protocols() {
    let nodes = Nodes::start("1h", Some(Questioned::start(600).await)).await;
    nodes.expect_end(Way::Answer, "Visitor").await;
    nodes.stop().await;
}

#[actix_web::test]
async fn the_access_of_a_blocked_account_ends_on_every_node_and_in_both_protocols() {
    // The operator's command writes to the database only.
    let nodes = Nodes::start("1s", None).await;
    nodes.expect_end(Way::BlockedAccount, "Visitor").await;
    nodes.stop().await;
}
