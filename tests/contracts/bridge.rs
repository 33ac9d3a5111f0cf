//! The contract of bridges.

use std::sync::Arc;

use coscribe::{
    bridge::{
        Bridge, DeliverySink, EventSink, Health, LocalBridge, RedisBridge, RelayEvent,
        SessionCallSink,
    },
    domain::{
        AccessChange, AccessLevel, Cursor, DocumentId, NodeId, Position, SessionId, UserId, Version,
    },
    metrics::Metrics,
    wire::{
        Predecessor,
        envelope::{Envelope, SessionCall},
    },
};
use kit::{expect_eventually, within};
use tokio::sync::{Mutex, mpsc};

use crate::{
    contract,
    servers::{Over, signer},
};

contract!(
    a_publication_is_not_delivered_to_its_own_node,
    a_publication_reaches_every_other_node_once_and_in_order,
    a_detached_node_receives_nothing_more,
    an_access_change_waits_until_the_other_nodes_have_applied_it,
    a_request_to_sessions_reaches_every_other_node,
    an_access_change_waits_for_other_nodes_while_its_own_node_detaches,
);

/// A bridge and what it has delivered.
struct Node {
    bridge: Arc<dyn Bridge>,
    delivered: Mutex<mpsc::UnboundedReceiver<RelayEvent>>,
    calls: Mutex<mpsc::UnboundedReceiver<SessionCall>>,
}

/// Keeps the deliveries.
struct Recorder(mpsc::UnboundedSender<RelayEvent>);

impl DeliverySink for Recorder {
    fn deliver(&self, delivery: RelayEvent) {
        self.0.send(delivery).unwrap();
    }

    fn relay_recovered(&self) {}
}

/// Keeps the requests to sessions.
struct CallRecorder(mpsc::UnboundedSender<SessionCall>);

impl SessionCallSink for CallRecorder {
    fn receive(&self, call: SessionCall) {
        self.0.send(call).unwrap();
    }
}

impl Node {
    /// Waits for the next envelope, and confirms that it was applied.
    async fn expect_envelope(&self) -> Envelope {
        match within("a delivery", async { self.delivered.lock().await.recv().await })
            .await
            .unwrap()
        {
            RelayEvent::Envelope { envelope, acknowledge, .. } => {
                if let Some(acknowledge) = acknowledge {
                    acknowledge.send(()).unwrap();
                }
                envelope
            }
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the next delivery and does not confirm it.
    async fn expect_unapplied(&self) -> RelayEvent {
        within("a delivery", async { self.delivered.lock().await.recv().await }).await.unwrap()
    }
}

/// Starts healthy nodes: `count` of them, one if they are in memory, none if there is no server.
async fn nodes(over: Over, count: usize) -> Vec<Node> {
    if over == Over::Memory {
        let (_sender, delivered) = mpsc::unbounded_channel();
        let (_sender, calls) = mpsc::unbounded_channel();
        let (delivered, calls) = (Mutex::new(delivered), Mutex::new(calls));
        return vec![Node { bridge: Arc::new(LocalBridge), delivered, calls }];
    }
    let Some((server, keys)) = over.server() else { return vec![] };
    let mut nodes = Vec::new();
    for _ in 0..count {
        let (sender, delivered) = mpsc::unbounded_channel();
        let (calling, calls) = mpsc::unbounded_channel();
        let sink = EventSink::default();
        sink.open(Arc::new(Recorder(sender)), Arc::new(CallRecorder(calling)));
        let bridge = RedisBridge::start(
            server.clone(),
            keys.clone(),
            NodeId::new(),
            sink,
            signer(),
            Metrics::new(),
        );
        expect_eventually("a healthy relay", async || bridge.health() == Health::Healthy).await;
        let (delivered, calls) = (Mutex::new(delivered), Mutex::new(calls));
        nodes.push(Node { bridge: Arc::new(bridge), delivered, calls });
    }
    nodes
}

fn stored(version: i64) -> Envelope {
    Envelope::Stored { version: Version::new(version) }
}

async fn a_publication_is_not_delivered_to_its_own_node(over: Over) {
    let nodes = nodes(over, 2).await;
    let Some(node) = nodes.first() else { return };
    let document = DocumentId::new();
    node.bridge.attach(document).await;
    node.bridge.publish(document, stored(1));
    if let [_, other] = &nodes[..] {
        other.bridge.attach(document).await;
        // A marker: nothing else may be delivered before it.
        other.bridge.publish(document, stored(2));
        assert_eq!(node.expect_envelope().await, stored(2));
    }
    node.bridge.detach(document);
    assert!(node.delivered.lock().await.try_recv().is_err());
}

async fn a_publication_reaches_every_other_node_once_and_in_order(over: Over) {
    let nodes = nodes(over, 3).await;
    let [first, others @ ..] = &nodes[..] else { return };
    let documents: Vec<_> = (0..5).map(|_| DocumentId::new()).collect();
    for node in others {
        for document in &documents {
            node.bridge.attach(*document).await;
        }
    }
    let at_line = |line| Cursor { head: Position::new(line, 0).unwrap(), anchor: None };
    let session = SessionId::new();
    let envelopes: Vec<_> = (0..1_000)
        .map(|number| match number % 2 {
            0 => stored(number.into()),
            _ => Envelope::MoveCursor { session, cursor: at_line(number) },
        })
        .collect();
    for envelope in &envelopes {
        first.bridge.publish(documents[0], envelope.clone());
    }
    for node in others {
        for envelope in &envelopes {
            assert_eq!(node.expect_envelope().await, *envelope);
        }
    }
    // Every document has a channel of its own, in a Redis Cluster perhaps on another server.
    for (number, document) in (1..).zip(&documents) {
        first.bridge.publish(*document, stored(number));
        for node in others {
            assert_eq!(node.expect_envelope().await, stored(number));
        }
    }
}

async fn a_detached_node_receives_nothing_more(over: Over) {
    let nodes = nodes(over, 2).await;
    let [node, other] = &nodes[..] else { return };
    let (left, kept) = (DocumentId::new(), DocumentId::new());
    node.bridge.attach(left).await;
    node.bridge.detach(left);
    // The requests are handled in order, so when this one is done, so is the one before.
    node.bridge.attach(kept).await;
    let detached = async {
        loop {
            other.bridge.publish(left, stored(1));
            other.bridge.publish(kept, stored(2));
            // The first may have been delivered before the channel was unsubscribed.
            if node.expect_envelope().await == stored(2) {
                return;
            }
            assert_eq!(node.expect_envelope().await, stored(2));
        }
    };
    within("an unsubscribed channel", detached).await;
}

async fn an_access_change_waits_until_the_other_nodes_have_applied_it(over: Over) {
    let nodes = nodes(over, 3).await;
    let Some((first, others)) = nodes.split_first() else { return };
    let (document, user) = (DocumentId::new(), UserId::new());
    for node in &nodes {
        node.bridge.attach(document).await;
    }
    // A node that is alone waits for no other.
    let level = Some(AccessLevel::Edit);
    let access = AccessChange { level, access_version: Some(7) };
    let change = first.bridge.publish_access_change(document, user, access);
    let applied = async {
        for node in others {
            let Envelope::AccessChanged { user: changed_user, access: changed, .. } =
                node.expect_envelope().await
            else {
                panic!("another envelope was delivered")
            };
            assert_eq!((changed_user, changed.level), (user, level));
        }
    };
    within("the access change", async { futures_util::join!(change, applied) }).await;

    let Some(silent) = others.first() else { return };
    let revoked = AccessChange { level: None, access_version: None };
    // A node that does not apply the change is awaited for a limited time.
    let change = std::pin::pin!(first.bridge.publish_access_change(document, user, revoked));
    let delivery = std::pin::pin!(silent.expect_unapplied());
    let first_done = futures_util::future::select(change, delivery).await;
    let futures_util::future::Either::Right((unapplied, change)) = first_done else {
        panic!("the access change did not wait")
    };
    within("the end of the wait for the silent node", change).await;
    drop(unapplied);
}

async fn a_request_to_sessions_reaches_every_other_node(over: Over) {
    let nodes = nodes(over, 3).await;
    let Some((first, others)) = nodes.split_first() else { return };
    let user = UserId::new();
    let (session, document) = (SessionId::new(), DocumentId::new());
    let successor = SessionId::new();
    let calls = [
        SessionCall::Replace { user, predecessor: Predecessor::Session(session), successor },
        SessionCall::Replace {
            user,
            predecessor: Predecessor::Editor { document, client: 7 },
            successor,
        },
        SessionCall::FreeSlot { user },
    ];
    for call in calls {
        assert_eq!(first.bridge.call_sessions(call), !others.is_empty());
    }
    for node in others {
        for call in calls {
            let received = within("a request", async { node.calls.lock().await.recv().await });
            assert_eq!(received.await, Some(call));
        }
    }
    // A marker: nothing else may arrive before it.
    if let [other, ..] = others {
        other.bridge.call_sessions(calls[2]);
        let received = within("a request", async { first.calls.lock().await.recv().await });
        assert_eq!(received.await, Some(calls[2]));
        assert!(first.calls.lock().await.try_recv().is_err());
    }
}

async fn an_access_change_waits_for_other_nodes_while_its_own_node_detaches(over: Over) {
    let nodes = nodes(over, 2).await;
    let [first, other] = &nodes[..] else { return };
    let (user, marker) = (UserId::new(), DocumentId::new());
    other.bridge.attach(marker).await;
    let revoked = AccessChange { level: None, access_version: None };
    for round in 0..50 {
        let document = DocumentId::new();
        first.bridge.attach(document).await;
        other.bridge.attach(document).await;
        first.bridge.detach(document);
        // A little later in each round: in some, Redis has ended the subscription and the node has not been told.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        let mut change =
            std::pin::pin!(first.bridge.publish_access_change(document, user, revoked));
        assert!(futures_util::poll!(&mut change).is_pending());
        let RelayEvent::Envelope { acknowledge: Some(acknowledge), .. } =
            other.expect_unapplied().await
        else {
            panic!("another event was delivered")
        };
        // A marker, which is published after the number of subscribers is known.
        first.bridge.publish(marker, stored(1));
        assert_eq!(other.expect_envelope().await, stored(1));
        assert!(futures_util::poll!(&mut change).is_pending(), "the access change did not wait");
        acknowledge.send(()).unwrap();
        within("the acknowledgement", change).await;
    }
}
