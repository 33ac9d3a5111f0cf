//! The relay: a node listens only to documents that are open on it, and ignores envelopes that it cannot read.

use std::sync::Arc;

use chrono::Utc;
use coscribe::{
    auth::SigningKeys,
    domain::{Color, Cursor, CursorMove, DocumentId, NodeId, Position, User},
    redis::{Connection, RedisKeys, RelaySigner, Server},
    wire::envelope::{Envelope, NEWEST_VERSION, SIGNED_SINCE, SerialSeries, unverified},
};
use kit::{Client as _, Node as _, Pair, TestNode, expect_eventually};
use redis::{PushInfo, PushKind, Value};
use serde_json::json;
use tokio::sync::mpsc;

/// Connects to the Redis of a node.
pub(crate) async fn connect_to_redis(node: &TestNode) -> (Connection, RedisKeys) {
    let options = &node.settings().redis;
    let connection = Server::new(options).unwrap().connect().await.unwrap();
    (connection, RedisKeys::new(&options.prefix))
}

/// Returns a signer as another node of the cluster has it.
pub(crate) fn signer_of(node: &TestNode) -> RelaySigner {
    let settings = node.settings();
    let secret = settings.auth.secret.as_ref();
    let keys = SigningKeys::open(secret, &settings.server.data_dir).unwrap();
    RelaySigner::new(keys.relay_key().clone(), &settings.redis)
}

/// The number of nodes that listen to a document.
async fn listeners(node: &TestNode, document: DocumentId) -> u64 {
    let (mut connection, keys) = connect_to_redis(node).await;
    // Redis returns the number of recipients. The nodes ignore this message.
    connection.publish(&[(&keys.document(document), b"\0")]).await.unwrap()[0]
}

/// Waits until this many nodes listen to a document. A document opens without waiting for that for long, and what others
/// publish until then is not delivered.
pub(crate) async fn expect_listeners(node: &TestNode, document: DocumentId, count: u64) {
    let is_reached = async || listeners(node, document).await == count;
    expect_eventually(&format!("{count} nodes that listen"), is_reached).await;
}

#[actix_web::test]
async fn a_node_listens_only_to_documents_that_are_open_on_it() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let alices_tab = pair.alice.open(pair.document).await;
    expect_listeners(&pair.node, pair.document, 1).await;
    let bobs_tab = pair.bob.at(&peer).open(pair.document).await;
    expect_listeners(&pair.node, pair.document, 2).await;

    alices_tab.expect_joined(&pair.bob).await;
    drop((alices_tab, bobs_tab));
    expect_listeners(&pair.node, pair.document, 0).await;
    pair.stop_with(peer, ()).await;
}

async fn expect_ignored(node: &TestNode, reason: &str, count: u64) {
    node.expect_metric(&format!("coscribe_relay_ignored_total{{reason=\"{reason}\"}}"), count)
        .await;
}

#[actix_web::test]
async fn unreadable_envelopes_are_counted_and_ignored() {
    let pair = Pair::start().await;
    let alices_tab = pair.alice.open(pair.document).await;
    let (connection, keys) = connect_to_redis(&pair.node).await;
    let channel = keys.document(pair.document);
    let unknown_version = [&[NEWEST_VERSION + 1][..], &[7; 40]].concat();
    let signed = signer_of(&pair.node).sign(SerialSeries::Relay, &channel, b"\x01hello");
    let short = [SIGNED_SINCE; 20];
    for bytes in [&b""[..], b"\x01hello", &[1; 17], &[0; 100], &unknown_version, &signed, &short] {
        // Redis returns the number of recipients.
        let is_received = async || {
            let mut connection = connection.clone();
            connection.publish(&[(&channel, bytes)]).await.unwrap() == [1]
        };
        expect_eventually("a node that listens", is_received).await;
    }

    for (reason, count) in [("unknown_version", 1), ("garbage", 4), ("unsigned", 2)] {
        expect_ignored(&pair.node, reason, count).await;
    }
    pair.bob.write(pair.document, "Marker").await.value();
    assert_eq!(alices_tab.expect_change().await["content"], "Marker");
    alices_tab.assert_nothing_unread();
    pair.stop(alices_tab).await;
}

/// A node that moves the cursor of a session, as the relay would.
struct Mover {
    moved: CursorMove,
    from: NodeId,
}

impl Mover {
    fn at_line(&self, line: i32) -> Vec<u8> {
        let cursor = Cursor { head: Position::new(line, 0).unwrap(), anchor: None };
        let moved = CursorMove { cursor, ..self.moved.clone() };
        Envelope::CursorMoved(Arc::new(moved)).encode(self.from, NEWEST_VERSION)
    }
}

#[actix_web::test]
async fn only_envelopes_signed_for_their_channel_are_delivered_and_each_once() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let alices_tab = pair.alice.open(pair.document).await;
    let bobs_tab = pair.bob.at(&peer).open(pair.document).await;
    alices_tab.expect_joined(&pair.bob).await;
    expect_listeners(&pair.node, pair.document, 2).await;
    let user = User { id: pair.bob.id, name: "Bob".into() };
    let color = Color::of(pair.document, user.id);
    let (document, session, at) = (pair.document, bobs_tab.session(), Utc::now());
    let cursor = Cursor { head: Position::new(0, 0).unwrap(), anchor: None };
    let moved = CursorMove { document, session, color, user, cursor, at };
    let (mover, signer) = (Mover { moved, from: NodeId::new() }, signer_of(&pair.node));
    let (mut connection, keys) = connect_to_redis(&pair.node).await;
    let channel = keys.document(document);
    let sign =
        |channel: &str, line| signer.sign(SerialSeries::Relay, channel, &mover.at_line(line));

    let (first, second) = (sign(&channel, 1), sign(&channel, 2));
    let of_another_channel = sign(&keys.document(DocumentId::new()), 3);
    let mut changed = sign(&channel, 4);
    *changed.last_mut().unwrap() ^= 1;
    let sent = [
        // The later one overtakes the other, which is legitimate.
        (&second, 2),
        (&first, 1),
        (&second, 0),
        (&first, 0),
        (&of_another_channel, 0),
        (&changed, 0),
        (&mover.at_line(5), 0),
        (&sign(&channel, 6), 6),
    ];
    for (bytes, line) in sent {
        connection.publish(&[(&channel, bytes)]).await.unwrap();
        if line > 0 {
            // Nothing of what was refused is delivered before it.
            assert_eq!(alices_tab.expect_cursor().await["cursor"]["line"], line);
        }
    }
    for node in [&pair.node, &peer] {
        for (reason, count) in [("repeated", 2), ("bad_signature", 2), ("unsigned", 1)] {
            expect_ignored(node, reason, count).await;
        }
    }
    pair.stop_with(peer, (alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn changes_reach_another_node_without_the_database() {
    // No node reconciles with the database in time.
    let settings = [("COSCRIBE__ROOM__COMPARE_EVERY", "1h")];
    let pair = Pair::start_with(&settings).await;
    let peer = pair.node.start_peer().await;
    let Pair { alice, bob, document, .. } = &pair;
    let alices_tab = alice.open(*document).await;
    let bobs_tab = bob.at(&peer).open(*document).await;
    expect_listeners(&pair.node, *document, 2).await;
    // Both have learnt that the other reads the same envelopes.
    for node in [&pair.node, &peer] {
        node.expect_metric("coscribe_nodes", 2).await;
    }
    for base in 1..=20 {
        alices_tab.edit(*document, base, json!([{ "insert": "a" }])).await.value();
        let change = bobs_tab.expect_version(base + 1).await;
        let inserted = "a".repeat(usize::try_from(base).unwrap());
        assert_eq!(change["content"], format!("{inserted}Welcome."));
        assert_eq!(change["author"]["name"], "Alice");
        assert_eq!(change["sessionId"], json!(alices_tab.session()));
    }
    // And back: Bob's node edits the version that it has received.
    let answer = bobs_tab.edit(*document, 21, json!([{ "insert": "b" }])).await;
    assert_eq!(answer.value()["version"], 22);
    let change = alices_tab.expect_version(22).await;
    assert_eq!(change["content"], format!("b{}Welcome.", "a".repeat(20)));

    // A change without a delta, and one that is too large for an envelope.
    bob.at(&peer).rename(*document, "Plan B").await.value();
    assert_eq!(alices_tab.expect_change().await["title"], "Plan B");
    let large = "A line of text.\n".repeat(10_000);
    alice.write(*document, &large).await.value();
    assert_eq!(bobs_tab.expect_version(24).await["content"], large);
    pair.stop_with(peer, (alices_tab, bobs_tab)).await;
}

/// A subscriber of a document's channel that is no node: it announces nothing.
struct SilentListener {
    pushes: mpsc::UnboundedReceiver<Vec<u8>>,
    _connection: Connection,
}

impl SilentListener {
    async fn subscribe(node: &TestNode, document: DocumentId) -> Self {
        let options = &node.settings().redis;
        let (sender, pushes) = mpsc::unbounded_channel();
        let forward = move |push: PushInfo| {
            if let (PushKind::Message | PushKind::SMessage, [_, Value::BulkString(bytes)]) =
                (&push.kind, &push.data[..])
            {
                // The test may have ended.
                let _sent = sender.send(bytes.clone());
            }
            Ok::<(), std::convert::Infallible>(())
        };
        let server = Server::new(options).unwrap();
        let mut connection = server.connect_with_push(forward).await.unwrap();
        let channel = RedisKeys::new(&options.prefix).document(document);
        connection.subscribe(&[channel]).await.unwrap();
        Self { pushes, _connection: connection }
    }

    /// Waits for the next cursor.
    async fn expect_cursor(&mut self, document: DocumentId) {
        loop {
            let message = self.pushes.recv().await.unwrap();
            let Some(envelope) = unverified(&message) else { continue };
            let (_, envelope) = Envelope::decode(envelope, document, NEWEST_VERSION).unwrap();
            if let Envelope::CursorMoved(_) = envelope {
                return;
            }
        }
    }

    /// Returns how many cursors arrive before the next change.
    async fn cursors_before_change(&mut self, document: DocumentId) -> usize {
        let mut cursors = 0;
        loop {
            let message = self.pushes.recv().await.unwrap();
            let Some(envelope) = unverified(&message) else { continue };
            match Envelope::decode(envelope, document, NEWEST_VERSION).unwrap().1 {
                Envelope::CursorMoved(_) => cursors += 1,
                Envelope::Changed(_) => return cursors,
                _ => {}
            }
        }
    }
}

#[actix_web::test]
async fn cursors_are_published_only_while_another_node_listens() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = (alice.open(*document).await, bob.open(*document).await);
    alices_tab.expect_joined(bob).await;
    expect_listeners(&pair.node, *document, 1).await;
    // Redis reports for the first ones that only this node has received them.
    let mut base = 1;
    let mut move_and_edit = async || {
        alices_tab.move_cursor(*document, 0, 1).await.value();
        bobs_tab.expect_cursor().await;
        alices_tab.edit(*document, base, json!([{ "insert": "a" }])).await.value();
        base += 1;
        bobs_tab.expect_version(base).await;
    };
    move_and_edit().await;
    // It has published everything before the grant when the grant is acknowledged.
    let carol = pair.node.person("Carol").await;
    alice.grant_by_id(*document, &carol, "VIEW").await.value();
    let mut listener = SilentListener::subscribe(&pair.node, *document).await;
    move_and_edit().await;
    assert_eq!(listener.cursors_before_change(*document).await, 0);
    // The change was received by two, so there may be another node. It lacks the cursor that was left out.
    listener.expect_cursor(*document).await;
    move_and_edit().await;
    assert_eq!(listener.cursors_before_change(*document).await, 1);
    drop(listener);

    let peer = pair.node.start_peer().await;
    let third_tab = bob.at(&peer).open(*document).await;
    alices_tab.expect_joined(bob).await;
    alices_tab.move_cursor(*document, 0, 1).await.value();
    assert_eq!(third_tab.expect_cursor().await["sessionId"], json!(alices_tab.session()));
    pair.stop_with(peer, (alices_tab, bobs_tab, third_tab)).await;
}
