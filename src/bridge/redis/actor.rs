//! The relay's actor: it receives, asks the pure neighbours, and carries out.
//!
//! Here is what it looks at every second: whether what it publishes comes back. What it publishes is the affair of
//! `publishing.rs`, what it listens to that of `hearing.rs`.

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
    inbound::{DeliveryEvent, Inbox},
    outbound_queue::{OutboundMessage, Outgoing},
    subscriber::Hearing,
};
use crate::{
    bridge::Health,
    redis::{Commands, Server},
    wire::envelope::Signal,
};

/// How often the node speaks to itself.
const CANARY_EVERY: Duration = Duration::from_secs(1);

/// What a relay is built from.
pub(super) struct RelayParts {
    pub(super) shared: Arc<BridgeShared>,
    pub(super) server: Server,
    pub(super) inbox: Arc<Inbox>,
    pub(super) ear: EventSink,
}

/// The relay of this node.
pub(super) struct Relay {
    pub(super) parts: RelayParts,
    pub(super) publisher: Commands,
    pub(super) outgoing: Outgoing,
    pub(super) publishing: bool,
    /// Who waits until everything has been published.
    pub(super) stopping: Option<oneshot::Sender<()>>,
    pub(super) hearing: Hearing,
    pub(super) canary: Canary,
    pub(super) acknowledgements: Acknowledgements,
}

impl Relay {
    /// One that is not connected yet.
    pub(super) fn new(parts: RelayParts) -> Self {
        Self {
            publisher: Commands::new(parts.server.clone()),
            parts,
            outgoing: Outgoing::default(),
            publishing: false,
            stopping: None,
            hearing: Hearing::default(),
            canary: Canary::new(Instant::now()),
            acknowledgements: Acknowledgements::default(),
        }
    }

    pub(super) fn shared(&self) -> &BridgeShared {
        &self.parts.shared
    }

    pub(super) fn send_canary(&mut self, ctx: &mut Context<Self>) {
        let (keys, node) = (self.shared().keys.clone(), self.shared().node);
        // Also while nothing is listened to: whether it can be published at all is worth knowing, too.
        let places = self.hearing.places.clone();
        let numbers = self.canary.send(Instant::now());
        for (number, place) in numbers.into_iter().zip(places) {
            let bytes = Signal::Canary { number }.encode(node);
            let channel = keys.node(node, place);
            self.publish(OutboundMessage { channel, bytes, document: None, heard_by: None }, ctx);
        }
    }

    pub(super) fn note_health(&self) {
        let health = self.canary.health(Instant::now());
        let shared = self.shared();
        let before = shared.health();
        if before != health {
            tracing::info!(?before, ?health, "the relay between nodes");
            shared.health.send_replace(health);
        }
        shared.metrics.relay_is(health == Health::Well, health == Health::Deaf);
    }

    fn tick(&mut self, ctx: &mut Context<Self>) {
        self.note_health();
        if self.canary.health(Instant::now()) == Health::Deaf {
            tracing::warn!("Redis answers, but nothing comes through: listening anew");
            self.drop_listening(ctx);
        }
        self.send_canary(ctx);
        self.connect_if_due(ctx);
        self.change_listening(ctx);
        self.shared().metrics.relay_listens(self.shared().wanted.lock().len());
    }
}

impl Actor for Relay {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let mut turns = tokio::time::interval(CANARY_EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let turns = futures_util::stream::unfold(turns, async |mut turns| {
            turns.tick().await;
            Some(((), turns))
        });
        ctx.spawn(turns.into_actor(self).map(|(), relay, ctx| relay.tick(ctx)).finish());
    }
}

/// Something was heard.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Received(pub(super) DeliveryEvent);

impl Handler<Received> for Relay {
    type Result = ();

    fn handle(&mut self, Received(sound): Received, ctx: &mut Self::Context) {
        match sound {
            DeliveryEvent::Signal(Signal::Canary { number }) => {
                if let Some(lag) = self.canary.heard(number, Instant::now()) {
                    self.shared().metrics.relay_lagged(lag);
                }
                self.note_health();
            }
            DeliveryEvent::Signal(Signal::Done { request }) => self.acknowledgements.came(request),
            DeliveryEvent::Asked { by, request, done } => self.acknowledge(by, request, done, ctx),
            DeliveryEvent::Unsubscribed(document) => self.unsubscribed(document, ctx),
            DeliveryEvent::Lost { connection } => self.lost(connection, ctx),
        }
    }
}

/// Look at what is wanted.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Look;

impl Handler<Look> for Relay {
    type Result = ();

    fn handle(&mut self, _look: Look, ctx: &mut Self::Context) {
        self.change_listening(ctx);
        if !self.hearing.is_connected() {
            self.give_up_waiting();
        }
    }
}

/// Publish what waits, then end.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Stop;

impl Handler<Stop> for Relay {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _stop: Stop, ctx: &mut Self::Context) -> Self::Result {
        let (sender, stopped) = oneshot::channel();
        self.stopping = Some(sender);
        self.hearing = Hearing::default();
        self.publish_next(ctx);
        Box::pin(async move {
            if stopped.await.is_err() {
                tracing::debug!("the relay ended with something unpublished");
            }
        })
    }
}

/// However the relay ends, it is said that nothing comes through any more.
impl Drop for Relay {
    fn drop(&mut self) {
        self.shared().health.send_replace(Health::Away);
        self.shared().metrics.relay_is(false, false);
    }
}
