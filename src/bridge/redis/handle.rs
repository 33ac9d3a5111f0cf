//! The handle through which rooms use the relay, and the state that it shares with the actor.

use std::{collections::HashSet, sync::Arc, time::Duration};

use actix::{Addr, AsyncContext as _, Context, dev::SendError};
use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::{
    sync::{oneshot, watch},
    time::{Instant, timeout},
};

use super::{
    EventSink,
    actor::{ReceiveInbound, Relay, RelayParts, Stop, UpdateSubscriptions},
    channels::ChannelSubscriptions,
    inbound::{InboundEvent, InboundRouter},
    listeners::RemoteListeners,
    outbound_queue::OutboundMessage,
    publisher::{Publish, PublishAccessChange},
    refusal::RefusedEnvelopes,
};
use crate::{
    bridge::{Bridge, Health},
    domain::{AccessChange, DocumentId, NodeId, UserId},
    metrics::{ActorKind, Metrics},
    redis::{RedisKeys, RelaySigner, Server},
    wire::envelope::{Envelope, SessionCall, Signal},
};

/// Mailbox capacity of the relay's actor. When it is full, envelopes are dropped and the other nodes
/// reconcile their documents, canaries are dropped, and other events of the subscriber wait.
const MAX_MESSAGES: usize = 4096;

/// How long a change of access waits for the acknowledgements of the other nodes.
const MAX_ACKNOWLEDGEMENT_WAIT: Duration = Duration::from_secs(1);

/// The relay over Redis. Dropping it does not stop the relay; [`RedisBridge::stop`] does.
pub struct RedisBridge {
    relay: Addr<Relay>,
    shared: Arc<BridgeShared>,
}

/// The state that the handle and the actor share.
pub(super) struct BridgeShared {
    pub(super) node: NodeId,
    pub(super) keys: RedisKeys,
    pub(super) metrics: Metrics,
    pub(super) channels: Mutex<ChannelSubscriptions>,
    pub(super) listeners: Arc<Mutex<RemoteListeners>>,
    pub(super) health: watch::Sender<Health>,
    pub(super) signer: Arc<RelaySigner>,
    /// Documents whose envelopes were dropped because the actor's mailbox was full.
    pub(super) unqueued: Mutex<HashSet<DocumentId>>,
    pub(super) answer_within: Duration,
}

impl BridgeShared {
    pub(super) fn health(&self) -> Health {
        *self.health.borrow()
    }

    /// Returns a message with an envelope of this version, for all nodes that have a document open.
    pub(super) fn message(
        &self,
        document: DocumentId,
        envelope: &Envelope,
        version: u8,
    ) -> OutboundMessage {
        OutboundMessage {
            channel: self.keys.document(document),
            bytes: envelope.encode(self.node, version),
            document: Some(document),
            subscriber_count: None,
        }
    }
}

impl RedisBridge {
    /// Starts the relay of `node`. It connects in the background and retries until it succeeds.
    /// Inbound events go to `sink`.
    #[must_use]
    pub fn start(
        server: Server,
        keys: RedisKeys,
        node: NodeId,
        sink: EventSink,
        signer: Arc<RelaySigner>,
        metrics: Metrics,
    ) -> Self {
        let shared = Arc::new(BridgeShared {
            node,
            keys: keys.clone(),
            metrics: metrics.clone(),
            channels: Mutex::default(),
            listeners: Arc::default(),
            health: watch::Sender::new(Health::Unavailable),
            signer: Arc::clone(&signer),
            unqueued: Mutex::default(),
            answer_within: server.answer_within(),
        });
        let mut context = Context::new();
        context.set_mailbox_capacity(MAX_MESSAGES);
        let relay: Addr<Relay> = context.address();
        let to_relay = relay.clone();
        let router = InboundRouter {
            node,
            keys,
            sink: sink.clone(),
            refused: RefusedEnvelopes::new(metrics),
            signer,
            replays: Mutex::default(),
            listeners: Arc::clone(&shared.listeners),
            send_to_relay: Box::new(move |event| send_inbound(&to_relay, event)),
        };
        let parts =
            RelayParts { shared: Arc::clone(&shared), server, router: Arc::new(router), sink };
        context.run(Relay::new(parts));
        Self { relay, shared }
    }

    /// Waits until the relay is healthy, for at most `redis.answer_within`.
    pub async fn wait_until_healthy(&self) {
        let mut health = self.shared.health.subscribe();
        let healthy = health.wait_for(|health| matches!(health, Health::Healthy | Health::Slow));
        if timeout(self.shared.answer_within, healthy).await.is_err() {
            tracing::warn!("the relay is not healthy yet; continuing without the other nodes");
        }
    }

    /// Publishes all queued messages, then stops the relay.
    pub async fn stop(&self) {
        if self.relay.send(Stop).await.is_err() {
            tracing::debug!("the relay had already stopped");
        }
    }

    /// Has the actor update the subscriptions now instead of at its next tick.
    fn update_subscriptions(&self) {
        if self.relay.try_send(UpdateSubscriptions).is_err() {
            tracing::debug!("the mailbox is full; subscriptions are updated at the next tick");
        }
    }
}

/// Sends an inbound event to the actor. If its mailbox is full, a canary is dropped, and any other
/// event waits for capacity in a task.
fn send_inbound(relay: &Addr<Relay>, event: InboundEvent) {
    let is_canary = matches!(event, InboundEvent::Signal(Signal::Canary { .. }));
    if let Err(SendError::Full(event)) = relay.try_send(ReceiveInbound(event))
        && !is_canary
    {
        let send = relay.send(event);
        tokio::spawn(async move {
            if send.await.is_err() {
                tracing::debug!("the relay stopped before it received an inbound event");
            }
        });
    }
}

#[async_trait]
impl Bridge for RedisBridge {
    fn publish(&self, document: DocumentId, envelope: Envelope) {
        let version = self.shared.signer.version();
        if !envelope.is_known_to(version) {
            return;
        }
        let is_transient =
            matches!(envelope, Envelope::CursorMoved(_) | Envelope::AwarenessUpdated(_));
        if is_transient && self.shared.listeners.lock().leaves_out(document, Instant::now()) {
            return;
        }
        let message = self.shared.message(document, &envelope, version);
        if self.relay.try_send(Publish(message)).is_err() {
            self.shared.metrics.mailbox_full(ActorKind::Relay);
            self.shared.unqueued.lock().insert(document);
        }
    }

    async fn publish_access_change(
        &self,
        document: DocumentId,
        user: UserId,
        access: AccessChange,
    ) {
        let (sender, acknowledged) = oneshot::channel();
        let publish = PublishAccessChange { document, user, access, acknowledged: sender };
        let published = async {
            if self.relay.send(publish).await.is_err() {
                return;
            }
            // If the relay stops meanwhile, the other nodes find the change when they reconcile.
            if acknowledged.await.is_err() {
                tracing::debug!("the relay stopped before an access change was acknowledged");
            }
        };
        if timeout(MAX_ACKNOWLEDGEMENT_WAIT, published).await.is_err() {
            tracing::warn!(
                document.id = %document,
                "not every node acknowledged an access change in time"
            );
        }
    }

    async fn attach(&self, document: DocumentId) {
        let subscribed = self.shared.channels.lock().add(document);
        self.update_subscriptions();
        if self.shared.health() == Health::Unavailable {
            return;
        }
        if timeout(self.shared.answer_within, subscribed).await.is_err() {
            tracing::debug!(document.id = %document, "opened before its channel was subscribed");
        }
    }

    fn detach(&self, document: DocumentId) {
        self.shared.channels.lock().remove(document);
        self.shared.listeners.lock().detached(document);
        self.update_subscriptions();
    }

    fn call_sessions(&self, call: SessionCall) -> bool {
        let message = OutboundMessage {
            channel: self.shared.keys.sessions(),
            bytes: call.encode(self.shared.node),
            document: None,
            subscriber_count: None,
        };
        if self.relay.try_send(Publish(message)).is_err() {
            self.shared.metrics.mailbox_full(ActorKind::Relay);
            return false;
        }
        self.shared.health() != Health::Unavailable
    }

    fn health(&self) -> Health {
        self.shared.health()
    }
}
