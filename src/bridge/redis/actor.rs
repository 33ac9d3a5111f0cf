//! The relay's actor.
//!
//! It receives messages and applies the decisions of its parts: [`publisher`](super::publisher),
//! [`subscriber`](super::subscriber), [`canary`](super::canary) and
//! [`acknowledgements`](super::acknowledgements). Once a second it checks the relay's health, publishes
//! canaries, and reconnects if necessary.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior},
};

use super::{
    EventSink,
    acknowledgements::Acknowledgements,
    canary::Canary,
    handle::BridgeShared,
    inbound::{InboundEvent, InboundRouter},
    outbound_queue::OutboundMessage,
    publisher::RelayPublisher,
    subscriber::RelaySubscriber,
};
use crate::{
    bridge::Health,
    redis::{Commands, Server},
    wire::envelope::Signal,
};

/// The interval between canaries.
const CANARY_EVERY: Duration = Duration::from_secs(1);

/// The dependencies of a relay.
pub(super) struct RelayParts {
    pub(super) shared: Arc<BridgeShared>,
    pub(super) server: Server,
    pub(super) router: Arc<InboundRouter>,
    pub(super) sink: EventSink,
}

/// The relay of this node.
pub(super) struct Relay {
    pub(super) parts: RelayParts,
    pub(super) publisher: RelayPublisher,
    pub(super) subscriber: RelaySubscriber,
    pub(super) canary: Canary,
    pub(super) acknowledgements: Acknowledgements,
}

impl Relay {
    /// Creates a relay without connections.
    pub(super) fn new(parts: RelayParts) -> Self {
        Self {
            publisher: RelayPublisher::new(Commands::new(parts.server.clone())),
            parts,
            subscriber: RelaySubscriber::default(),
            canary: Canary::new(Instant::now()),
            acknowledgements: Acknowledgements::default(),
        }
    }

    pub(super) fn shared(&self) -> &BridgeShared {
        &self.parts.shared
    }

    /// Publishes one canary on each canary channel, also without a subscriber connection: whether
    /// publishing works is part of the relay's health.
    pub(super) fn send_canaries(&mut self, ctx: &mut Context<Self>) {
        let (keys, node) = (self.shared().keys.clone(), self.shared().node);
        let channels = self.subscriber.canary_channels().to_vec();
        let numbers = self.canary.send(Instant::now());
        for (number, index) in numbers.into_iter().zip(channels) {
            let message = OutboundMessage {
                channel: keys.node(node, index),
                bytes: Signal::Canary { number }.encode(node),
                document: None,
                subscriber_count: None,
            };
            self.publish(message, ctx);
        }
    }

    /// Reports the relay's health to waiters and metrics, and logs a change.
    pub(super) fn report_health(&self) {
        let health = self.canary.health(Instant::now());
        let shared = self.shared();
        let before = shared.health();
        if before != health {
            tracing::info!(?before, ?health, "the health of the relay changed");
            shared.health.send_replace(health);
        }
        let delivers = matches!(health, Health::Healthy | Health::Slow);
        shared.metrics.relay_is(delivers, health == Health::Deaf);
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        self.report_health();
        if self.canary.health(Instant::now()) == Health::Deaf {
            tracing::warn!("Redis responds but delivers no messages; resubscribing");
            self.drop_connection(ctx);
        }
        self.send_canaries(ctx);
        self.connect_if_due(ctx);
        self.update_subscriptions(ctx);
        self.shared().metrics.relay_listens(self.shared().channels.lock().wanted_count());
    }
}

impl Actor for Relay {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let mut ticks = tokio::time::interval(CANARY_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let ticks = futures_util::stream::unfold(ticks, async |mut ticks| {
            ticks.tick().await;
            Some(((), ticks))
        });
        ctx.spawn(ticks.into_actor(self).map(|(), relay, ctx| relay.tick(ctx)).finish());
    }
}

/// Handles an event of the subscriber connection.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct ReceiveInbound(pub(super) InboundEvent);

impl Handler<ReceiveInbound> for Relay {
    type Result = ();

    fn handle(&mut self, ReceiveInbound(event): ReceiveInbound, ctx: &mut Self::Context) {
        match event {
            InboundEvent::Signal(Signal::Canary { number }) => {
                if let Some(lag) = self.canary.receive(number, Instant::now()) {
                    self.shared().metrics.relay_lagged(lag);
                }
                self.report_health();
            }
            InboundEvent::Signal(Signal::Done { request }) => self.acknowledgements.record(request),
            InboundEvent::AcknowledgementRequested { node, request, applied } => {
                self.acknowledge_when_applied(node, request, applied, ctx);
            }
            InboundEvent::Unsubscribed(document) => self.unsubscribed(document, ctx),
            InboundEvent::Disconnected { generation } => self.disconnected(generation, ctx),
        }
    }
}

/// Brings the subscriptions in line with the wanted channels.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct UpdateSubscriptions;

impl Handler<UpdateSubscriptions> for Relay {
    type Result = ();

    fn handle(&mut self, _update: UpdateSubscriptions, ctx: &mut Self::Context) {
        self.update_subscriptions(ctx);
        if !self.subscriber.is_connected() {
            self.fail_waiters();
        }
    }
}

/// Publishes all queued messages, then stops the actor.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl Handler<Stop> for Relay {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) -> Self::Result {
        let (sender, drained) = oneshot::channel();
        self.publisher.stop_when_drained(sender);
        self.subscriber = RelaySubscriber::default();
        self.publish_next_batch(ctx);
        Box::pin(async move {
            if drained.await.is_err() {
                tracing::debug!("the relay stopped before it published all queued messages");
            }
        })
    }
}

/// Reports the relay as unavailable, whatever ended the actor.
impl Drop for Relay {
    fn drop(&mut self) {
        self.shared().health.send_replace(Health::Unavailable);
        self.shared().metrics.relay_is(false, false);
    }
}
