//! Forged envelopes. Everyone who reaches Redis can publish there. What is not signed is refused. A change that the database does
//! not have is dropped even if it is signed: nothing of it is stored, and no acknowledged edit is lost.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use coscribe::{
    domain::{Budget, Change, ChangeKind, Delta, DocumentId, NodeId, User, Version},
    redis::{Connection, RelaySigner},
    store::SnapshotState,
    wire::envelope::{Envelope, NEWEST_VERSION, SerialSeries},
};
use kit::{Client as _, Node as _, Pair, Tab, TestNode};
use replica::{ApplyBounds, Replica};
use serde_json::{Value, json};

use crate::relay::{connect_to_redis, signer_of};

/// With this setting, the relay and commits have to find what comparisons find otherwise.
const NO_COMPARISON: (&str, &str) = ("COSCRIBE__ROOM__COMPARE_EVERY", "1h");

const COMPARISONS: (&str, &str) = ("COSCRIBE__ROOM__COMPARE_EVERY", "100ms");

const CONTRADICTED: &str = "coscribe_relay_contradicted_total";

/// Publishes changes that nobody made, in the name of Alice.
struct Forger {
    connection: Connection,
    channel: String,
    signer: RelaySigner,
    from: NodeId,
    author: User,
    document: DocumentId,
    replica: Replica,
    version: Version,
    at: DateTime<Utc>,
}

impl Forger {
    /// Returns a forger who continues the document at its head.
    async fn new(pair: &Pair) -> Self {
        let (connection, keys) = connect_to_redis(&pair.node).await;
        let store = pair.node.store();
        let head = store.find_head(pair.document).await.unwrap().unwrap();
        let snapshot = store.find_snapshot(pair.document, head.version).await.unwrap().unwrap();
        let SnapshotState::Yjs(state) = snapshot.state else { panic!("a plain text") };
        let changes = store.list_changes(pair.document, snapshot.version, head.version, 1_000_000);
        let mut replica = Replica::load(&state, &Budget::unlimited()).unwrap();
        for change in changes.await.unwrap() {
            let content = replica.content().apply(&change.delta.unwrap()).unwrap();
            replica.apply_stored(&change.update.unwrap(), content).unwrap();
        }
        Self {
            connection,
            channel: keys.document(pair.document),
            signer: signer_of(&pair.node),
            from: NodeId::new(),
            author: User { id: pair.alice.id, name: "Alice".into() },
            document: pair.document,
            replica,
            version: head.version,
            at: head.at,
        }
    }

    /// Returns the next change, which inserts this text.
    fn insertion(&mut self, text: &str) -> Change {
        let delta: Delta = serde_json::from_value(json!([{ "insert": text }])).unwrap();
        let budget = Budget::unlimited();
        let bounds = ApplyBounds { text: usize::MAX, structs: usize::MAX, budget: &budget };
        let update = self.replica.apply(&delta, bounds).unwrap();
        let previous_at = Some(self.at);
        self.version = self.version.next();
        self.at += TimeDelta::milliseconds(1);
        Change {
            document: self.document,
            kind: ChangeKind::Edited,
            version: self.version,
            author: Some(self.author.clone()),
            session: None,
            title: "Project Alpha".into(),
            delta: Some(Arc::new(delta)),
            update: Some(update.to_vec().into()),
            content: None,
            at: self.at,
            previous_at,
        }
    }

    async fn publish(&mut self, envelope: &[u8]) {
        self.connection.publish(&[(&self.channel, envelope)]).await.unwrap();
    }

    /// Publishes an insertion, signed as by a node.
    async fn publish_signed(&mut self, text: &str) {
        let change = self.insertion(text);
        self.publish_change(change).await;
    }

    async fn publish_change(&mut self, change: Change) {
        let envelope = Envelope::Changed(Arc::new(change));
        let envelope = envelope.encode(self.from, NEWEST_VERSION);
        let signed = self.signer.sign(SerialSeries::Relay, &self.channel, &envelope);
        self.publish(&signed).await;
    }
}

/// Waits for the whole text at a version.
async fn expect_resync(tab: &Tab, version: i64, content: &str) {
    let change = tab.expect_change().await;
    let told = (&change["kind"], &change["version"], &change["content"]);
    assert_eq!(told, (&json!("RESYNC"), &json!(version), &json!(content)), "{change:#}");
}

/// Waits until no room is open, opens the document again on both nodes, and expects this text.
async fn expect_stored(pair: &Pair, peer: &TestNode, text: &str) {
    for node in [&pair.node, peer] {
        node.expect_rooms_closed().await;
        let tab = pair.bob.at(node).open(pair.document).await;
        assert_eq!(pair.alice.at(node).read_text(pair.document).await, text);
        drop(tab);
        node.expect_rooms_closed().await;
    }
    let store = pair.node.store();
    let head = store.find_head(pair.document).await.unwrap().unwrap();
    let snapshot = store.find_snapshot(pair.document, Version::new(i64::MAX)).await;
    let snapshot = snapshot.unwrap().unwrap();
    assert!(snapshot.version <= head.version);
    let SnapshotState::Yjs(state) = snapshot.state else { panic!("a plain text") };
    let Ok((content, _)) = Replica::text_of(&state, &Budget::unlimited()) else {
        panic!("a damaged snapshot")
    };
    assert!(!content.to_string().contains("BURN"), "{content:?}");
}

/// Alice's node and Bob's, with a document at version 2: "kept Welcome."
async fn start(settings: &[(&str, &str)]) -> (Pair, TestNode, Tab) {
    let linger = ("COSCRIBE__ROOM__LINGER", "1ms");
    let pair = Pair::start_with(&[settings, &[linger]].concat()).await;
    let peer = pair.node.start_peer().await;
    let bobs_tab = pair.bob.at(&peer).open(pair.document).await;
    pair.alice.insert(pair.document, "kept ").await;
    bobs_tab.expect_version(2).await;
    (pair, peer, bobs_tab)
}

#[actix_web::test]
async fn an_unsigned_change_reaches_nobody() {
    let (pair, peer, bobs_tab) = start(&[COMPARISONS]).await;
    let editor = pair.bob.at(&peer).open_editor(pair.document).await;
    editor.expect_text("kept Welcome.").await;
    bobs_tab.expect_joined(&pair.bob).await;
    let mut forger = Forger::new(&pair).await;
    let forged = Envelope::Changed(Arc::new(forger.insertion("BURN IT ")));
    for version in [2, 4, NEWEST_VERSION] {
        let envelope = forged.encode(forger.from, version);
        forger.publish(&envelope).await;
    }
    peer.expect_metric("coscribe_relay_ignored_total{reason=\"unsigned\"}", 3).await;

    assert_eq!(bobs_tab.insert(pair.document, "Bob ").await, 3);

    editor.expect_text("kept Bob Welcome.").await;
    bobs_tab.assert_nothing_unread();
    assert_eq!(peer.metric(CONTRADICTED).await, 0);
    drop((bobs_tab, editor));
    expect_stored(&pair, &peer, "kept Bob Welcome.").await;
    pair.stop_with(peer, ()).await;
}

#[actix_web::test]
async fn a_comparison_finds_a_change_that_the_database_does_not_have() {
    let (pair, peer, bobs_tab) = start(&[COMPARISONS]).await;
    Forger::new(&pair).await.publish_signed("BURN IT ").await;
    bobs_tab.expect_version(3).await;

    expect_resync(&bobs_tab, 2, "kept Welcome.").await;

    peer.expect_metric(CONTRADICTED, 1).await;
    assert_eq!(peer.metric("coscribe_changes_lost_total").await, 0, "nothing was lost");
    assert_eq!(bobs_tab.insert(pair.document, "Bob ").await, 3);
    drop(bobs_tab);
    expect_stored(&pair, &peer, "kept Bob Welcome.").await;
    pair.stop_with(peer, ()).await;
}

#[actix_web::test]
async fn a_comparison_finds_it_also_while_more_of_them_arrive() {
    let (pair, peer, bobs_tab) = start(&[COMPARISONS]).await;
    let mut forger = Forger::new(&pair).await;
    let forging = async {
        loop {
            forger.publish_signed("BURN IT ").await;
        }
    };
    let is_noticed = |contradictions| contradictions > 0;
    tokio::select! {
        () = peer.expect_metric_that("a contradiction", CONTRADICTED, is_noticed) => {}
        () = forging => {}
    }
    drop(bobs_tab);
    expect_stored(&pair, &peer, "kept Welcome.").await;
    pair.stop_with(peer, ()).await;
}

#[actix_web::test]
async fn a_commit_finds_a_change_that_the_database_does_not_have() {
    let (pair, peer, bobs_tab) = start(&[NO_COMPARISON]).await;
    Forger::new(&pair).await.publish_signed("BURN IT ").await;
    bobs_tab.expect_version(3).await;

    let delta = json!([{ "retain": 8 }, { "insert": "Bob " }]);
    let refused = bobs_tab.edit_as(pair.document, 3, delta, Value::Null).await;

    assert_eq!(refused.code(), "CONFLICT");
    expect_resync(&bobs_tab, 2, "kept Welcome.").await;
    assert_eq!(bobs_tab.insert(pair.document, "Bob ").await, 3);
    peer.expect_metric(CONTRADICTED, 1).await;
    drop(bobs_tab);
    expect_stored(&pair, &peer, "kept Bob Welcome.").await;
    pair.stop_with(peer, ()).await;
}

#[actix_web::test]
async fn the_next_change_of_another_node_reveals_the_forged_one_before_it() {
    let (pair, peer, bobs_tab) = start(&[NO_COMPARISON]).await;
    // Only Bob's node has the document open, so Alice's does not receive it.
    pair.node.expect_rooms_closed().await;
    Forger::new(&pair).await.publish_signed("BURN IT ").await;
    bobs_tab.expect_version(3).await;

    assert_eq!(pair.alice.insert(pair.document, "Alice ").await, 3);

    expect_resync(&bobs_tab, 3, "kept Alice Welcome.").await;
    peer.expect_metric(CONTRADICTED, 1).await;
    assert_eq!(bobs_tab.insert(pair.document, "Bob ").await, 4);
    drop(bobs_tab);
    expect_stored(&pair, &peer, "kept Alice Bob Welcome.").await;
    pair.stop_with(peer, ()).await;
}

#[actix_web::test]
async fn a_room_that_closes_stores_no_snapshot_of_it() {
    let (pair, peer, bobs_tab) = start(&[NO_COMPARISON]).await;
    // Loads the replica, of which the room stores a snapshot when it closes.
    assert_eq!(bobs_tab.insert(pair.document, "Bob ").await, 3);
    pair.node.expect_rooms_closed().await;
    Forger::new(&pair).await.publish_signed("BURN IT ").await;
    bobs_tab.expect_version(4).await;

    drop(bobs_tab);

    expect_stored(&pair, &peer, "kept Bob Welcome.").await;
    assert_eq!(pair.alice.insert(pair.document, "Alice ").await, 4);
    expect_stored(&pair, &peer, "kept Bob Alice Welcome.").await;
    pair.stop_with(peer, ()).await;
}

#[actix_web::test]
async fn a_snapshot_holds_only_what_the_log_has() {
    let (pair, peer, bobs_tab) = start(&[NO_COMPARISON]).await;
    // Loads the replica, of which the room stores a snapshot when it closes.
    assert_eq!(bobs_tab.insert(pair.document, "Bob ").await, 3);
    // A node whose envelopes reach nobody.
    let prefix = format!("{}-other", pair.node.settings().redis.prefix);
    let apart = pair.node.start_peer_with(|settings| settings.redis.prefix = prefix).await;
    let mut forger = Forger::new(&pair).await;
    assert_eq!(pair.alice.at(&apart).insert(pair.document, "Alice ").await, 4);
    let head = pair.node.store().find_head(pair.document).await.unwrap().unwrap();
    // The forged change has the number and the time of Alice's.
    let forged = Change { at: head.at, ..forger.insertion("BURN IT ") };
    forger.publish_change(forged).await;
    bobs_tab.expect_version(4).await;

    drop(bobs_tab);

    peer.expect_metric(CONTRADICTED, 1).await;
    expect_stored(&pair, &peer, "kept Bob Alice Welcome.").await;
    apart.stop().await;
    pair.stop_with(peer, ()).await;
}
