//! The contract of bridges.

use std::sync::{Arc, atomic::AtomicU8};

use coscribe::{
    bridge::{Bridge, DeliverySink, EventSink, Health, LocalBridge, RedisBridge, RelayEvent},
    domain::{AccessLevel, Cursor, DocumentId, NodeId, Position, SessionId, UserId, Version},
    metrics::Metrics,
    wire::envelope::Envelope,
};
use tokio::sync::{Mutex, mpsc};

use crate::{
    contract,
    servers::{Over, within},
};

contract!(
    what_a_node_publishes_does_not_come_back,
    what_one_node_publishes_every_other_hears_once_and_in_order,
    who_detached_hears_nothing_more,
    whoever_changes_an_access_waits_until_the_others_have_carried_it_out,
);

/// A bridge, and what it delivered.
struct Node {
    bridge: Arc<dyn Bridge>,
    heard: Mutex<mpsc::UnboundedReceiver<RelayEvent>>,
}

/// Keeps what is delivered.
struct Notes(mpsc::UnboundedSender<RelayEvent>);

impl DeliverySink for Notes {
    fn deliver(&self, event: RelayEvent) {
        self.0.send(event).unwrap();
    }

    fn relay_recovered(&self) {}
}

impl Node {
    async fn next(&self) -> Envelope {
        match within("a delivery", async { self.heard.lock().await.recv().await }).await.unwrap() {
            RelayEvent::Envelope { envelope, acknowledge, .. } => {
                if let Some(acknowledge) = acknowledge {
                    acknowledge.send(()).unwrap();
                }
                envelope
            }
            counted => panic!("{counted:?}"),
        }
    }
}

/// So many nodes, all of them well; one in memory, and none where there is no server.
async fn nodes(over: Over, count: usize) -> Vec<Node> {
    if over == Over::Memory {
        let (_sender, heard) = mpsc::unbounded_channel();
        return vec![Node { bridge: Arc::new(LocalBridge), heard: Mutex::new(heard) }];
    }
    let Some((server, keys)) = over.server() else { return vec![] };
    let mut nodes = Vec::new();
    for _ in 0..count {
        let (sender, heard) = mpsc::unbounded_channel();
        let sink = EventSink::default();
        sink.open(Arc::new(Notes(sender)));
        let version = Arc::new(AtomicU8::new(2));
        let bridge = RedisBridge::start(
            server.clone(),
            keys.clone(),
            NodeId::new(),
            sink,
            (version, 2),
            Metrics::new(),
        );
        let well = async {
            while bridge.health() != Health::Healthy {
                tokio::task::yield_now().await;
            }
        };
        within("a relay that is well", well).await;
        nodes.push(Node { bridge: Arc::new(bridge), heard: Mutex::new(heard) });
    }
    nodes
}

fn stored(version: i64) -> Envelope {
    Envelope::Stored { version: Version::new(version) }
}

async fn what_a_node_publishes_does_not_come_back(over: Over) {
    let nodes = nodes(over, 2).await;
    let Some(node) = nodes.first() else { return };
    let document = DocumentId::new();
    node.bridge.attach(document).await;
    node.bridge.publish(document, stored(1));
    if let [_, other] = &nodes[..] {
        other.bridge.attach(document).await;
        // The marker that shows that nothing came before it.
        other.bridge.publish(document, stored(2));
        assert_eq!(node.next().await, stored(2));
    }
    node.bridge.detach(document);
    assert!(node.heard.lock().await.try_recv().is_err());
}

async fn what_one_node_publishes_every_other_hears_once_and_in_order(over: Over) {
    let nodes = nodes(over, 3).await;
    let [first, others @ ..] = &nodes[..] else { return };
    let documents: Vec<_> = (0..5).map(|_| DocumentId::new()).collect();
    for node in others {
        for document in &documents {
            node.bridge.attach(*document).await;
        }
    }
    let place = |line| Cursor { head: Position::new(line, 0).unwrap(), anchor: None };
    let session = SessionId::new();
    let told: Vec<_> = (0..1_000)
        .map(|number| match number % 2 {
            0 => stored(number.into()),
            _ => Envelope::MoveCursor { session, cursor: place(number) },
        })
        .collect();
    for envelope in &told {
        first.bridge.publish(documents[0], envelope.clone());
    }
    for node in others {
        for envelope in &told {
            assert_eq!(node.next().await, *envelope);
        }
    }
    // Each document has its own channel, wherever that is.
    for (number, document) in (1..).zip(&documents) {
        first.bridge.publish(*document, stored(number));
        for node in others {
            assert_eq!(node.next().await, stored(number));
        }
    }
}

async fn who_detached_hears_nothing_more(over: Over) {
    let nodes = nodes(over, 2).await;
    let [node, other] = &nodes[..] else { return };
    let (left, kept) = (DocumentId::new(), DocumentId::new());
    node.bridge.attach(left).await;
    node.bridge.detach(left);
    // When this has been done, so has what was asked for before.
    node.bridge.attach(kept).await;
    let gone = async {
        loop {
            other.bridge.publish(left, stored(1));
            other.bridge.publish(kept, stored(2));
            // The first may have come before the channel was given up.
            if node.next().await == stored(2) {
                return;
            }
            assert_eq!(node.next().await, stored(2));
        }
    };
    within("a channel that is given up", gone).await;
}

async fn whoever_changes_an_access_waits_until_the_others_have_carried_it_out(over: Over) {
    let nodes = nodes(over, 3).await;
    let Some((first, others)) = nodes.split_first() else { return };
    let (document, user) = (DocumentId::new(), UserId::new());
    for node in &nodes {
        node.bridge.attach(document).await;
    }
    // With nobody else there is nobody to wait for.
    let level = Some(AccessLevel::Edit);
    let told = first.bridge.publish_access_change(document, user, level);
    let carried_out = async {
        for node in others {
            let Envelope::AccessChanged { user: whose, level: what, .. } = node.next().await else {
                panic!("something else was told")
            };
            assert_eq!((whose, what), (user, level));
        }
    };
    within("all of it", async { futures_util::join!(told, carried_out) }).await;

    let Some(silent) = others.first() else { return };
    // One that does not carry it out is waited for, and not for ever.
    let told = std::pin::pin!(first.bridge.publish_access_change(document, user, None));
    let undone = std::pin::pin!(silent.next_undone());
    let pending = futures_util::future::select(told, undone).await;
    let futures_util::future::Either::Right((undone, told)) = pending else {
        panic!("it was not waited for")
    };
    within("giving up on the silent one", told).await;
    drop(undone);
}

impl Node {
    /// The next delivery, which is not carried out.
    async fn next_undone(&self) -> RelayEvent {
        within("a delivery", async { self.heard.lock().await.recv().await }).await.unwrap()
    }
}
