//! The relay, as rooms hold it.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use actix::{Addr, AsyncContext as _, Context, dev::SendError};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};

use super::{
    EventSink,
    actor::{Look, Received, Relay, RelayParts, Stop},
    channels::WantedChannels,
    inbound::{DeliveryEvent, Inbox},
    outbound_queue::OutboundMessage,
    publisher::{Publish, Tell},
};
use crate::{
    bridge::{Bridge, Health},
    domain::{AccessLevel, DocumentId, NodeId, UserId},
    metrics::{ActorKind, Metrics},
    redis::{RedisKeys, Server},
    wire::envelope::{Envelope, Signal},
};

/// So many messages may wait for the relay's actor; what finds no room is told as missed.
const MAILBOX: usize = 4096;

/// For so long whoever changed somebody's access waits for the other nodes.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(1);

/// The relay over Redis. Dropping it does not end it; [`RedisBridge::stop`] does.
pub struct RedisBridge {
    relay: Addr<Relay>,
    shared: Arc<BridgeShared>,
}

/// What handle and actor both look at.
pub(super) struct BridgeShared {
    pub(super) node: NodeId,
    pub(super) keys: RedisKeys,
    pub(super) metrics: Metrics,
    pub(super) wanted: Mutex<WantedChannels>,
    pub(super) health: watch::Sender<Health>,
    /// The version of envelopes that every node reads.
    pub(super) version: Arc<AtomicU8>,
    /// Documents of which something was to be told and could not even be queued.
    pub(super) unqueued: Mutex<HashSet<DocumentId>>,
    pub(super) answer_within: Duration,
}

impl BridgeShared {
    pub(super) fn health(&self) -> Health {
        *self.health.borrow()
    }
}

impl RedisBridge {
    /// Starts the relay of `node`; it connects by itself, as often as it takes. What comes in goes to `ear`. `version`
    /// is that of the envelopes that all nodes read, and `known` the newest that this one does.
    #[must_use]
    pub fn start(
        server: Server,
        keys: RedisKeys,
        node: NodeId,
        ear: EventSink,
        versions: (Arc<AtomicU8>, u8),
        metrics: Metrics,
    ) -> Self {
        let (version, known) = versions;
        let shared = Arc::new(BridgeShared {
            node,
            keys: keys.clone(),
            metrics: metrics.clone(),
            wanted: Mutex::default(),
            health: watch::Sender::new(Health::Away),
            version,
            unqueued: Mutex::default(),
            answer_within: server.answer_within(),
        });
        let mut context = Context::new();
        context.set_mailbox_capacity(MAILBOX);
        let relay: Addr<Relay> = context.address();
        let to_relay = relay.clone();
        let inbox = Inbox {
            node,
            keys,
            ear: ear.clone(),
            metrics,
            version: known,
            relay: Box::new(move |sound| hear(&to_relay, sound)),
        };
        let parts = RelayParts { shared: Arc::clone(&shared), server, inbox: Arc::new(inbox), ear };
        context.run(Relay::new(parts));
        Self { relay, shared }
    }

    /// Waits until it does well, for as long as an answer may take.
    pub async fn until_well(&self) {
        let mut health = self.shared.health.subscribe();
        let well = health.wait_for(|health| *health == Health::Well);
        if timeout(self.shared.answer_within, well).await.is_err() {
            tracing::warn!("the other nodes cannot be heard yet");
        }
    }

    /// Ends it: what waits is published first.
    pub async fn stop(&self) {
        if self.relay.send(Stop).await.is_err() {
            tracing::debug!("the relay had ended before it was asked to");
        }
    }

    /// Has the relay look at what is wanted; it does so every second, too.
    fn look(&self) {
        if self.relay.try_send(Look).is_err() {
            tracing::debug!("the relay looks by itself soon");
        }
    }
}

/// Has the relay hear something. A canary that finds no room is missed, everything else waits for its place.
fn hear(relay: &Addr<Relay>, sound: DeliveryEvent) {
    let is_canary = matches!(sound, DeliveryEvent::Signal(Signal::Canary { .. }));
    if let Err(SendError::Full(heard)) = relay.try_send(Received(sound))
        && !is_canary
    {
        let send = relay.send(heard);
        tokio::spawn(async move {
            if send.await.is_err() {
                tracing::debug!("the relay ended before it could hear");
            }
        });
    }
}

#[async_trait]
impl Bridge for RedisBridge {
    fn publish(&self, document: DocumentId, envelope: Envelope) {
        let version = self.shared.version.load(Ordering::Relaxed);
        if !envelope.is_known_to(version) {
            return;
        }
        let bytes = envelope.encode(self.shared.node, version);
        let channel = self.shared.keys.document(document);
        let message = OutboundMessage { channel, bytes, document: Some(document), heard_by: None };
        if self.relay.try_send(Publish(message)).is_err() {
            self.shared.metrics.mailbox_full(ActorKind::Relay);
            self.shared.unqueued.lock().insert(document);
        }
    }

    async fn change_access(&self, document: DocumentId, user: UserId, level: Option<AccessLevel>) {
        let (sender, done) = oneshot::channel();
        let tell = Tell { document, user, level, done: sender };
        let told = async {
            if self.relay.send(tell).await.is_err() {
                return;
            }
            // Whether it was dropped or came, there is no more to wait for.
            if done.await.is_err() {
                tracing::debug!("nobody could be told of a change of access; it is compared");
            }
        };
        if timeout(ACKNOWLEDGED_WITHIN, told).await.is_err() {
            tracing::warn!(document.id = %document, "not every node has said that it carried out a change of access");
        }
    }

    async fn attach(&self, document: DocumentId) {
        let listened = self.shared.wanted.lock().add(document);
        self.look();
        if self.shared.health() == Health::Away {
            return;
        }
        if timeout(self.shared.answer_within, listened).await.is_err() {
            tracing::debug!(document.id = %document, "opened before it was listened to");
        }
    }

    fn detach(&self, document: DocumentId) {
        self.shared.wanted.lock().remove(document);
        self.look();
    }

    fn health(&self) -> Health {
        self.shared.health()
    }
}
