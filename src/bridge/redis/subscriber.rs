//! The part of the relay's actor that listens. One change of what is listened to is made at a time; what is wanted meanwhile
//! gathers. When the connection breaks, or brings nothing although Redis answers, it is dropped and made anew.

use std::sync::Arc;

use actix::prelude::*;
use redis::RedisError;
use tokio::time::Instant;

use super::{actor::Relay, channels::SubscriptionChange};
use crate::{
    domain::DocumentId,
    redis::{Backoff, Connection, chance},
};

/// The connection that listens, or the way to it.
#[derive(Default)]
pub(super) struct Hearing {
    listening: Option<Listening>,
    /// One is being made.
    connecting: bool,
    /// When the next is made.
    retry: Option<SpawnHandle>,
    backoff: Backoff,
    /// How many were made: what is said of an earlier one does not concern the present one.
    number: u64,
    /// Where canaries are sent: in a cluster one place for each primary that there was when it was last connected to.
    pub(super) places: Vec<u32>,
}

struct Listening {
    connection: Connection,
    /// What it listens to is being changed.
    changing: bool,
    /// It listens to everything that was wanted when it was made.
    is_complete: bool,
}

impl Hearing {
    pub(super) fn is_connected(&self) -> bool {
        self.listening.is_some()
    }
}

impl Relay {
    /// Makes the connection that listens, unless there is one, one is being made, or has to wait for its turn.
    pub(super) fn connect_if_due(&mut self, ctx: &mut Context<Self>) {
        if self.hearing.retry.is_none() {
            self.connect(ctx);
        }
    }

    fn connect(&mut self, ctx: &mut Context<Self>) {
        self.hearing.retry = None;
        if self.hearing.connecting || self.hearing.listening.is_some() || self.stopping.is_some() {
            return;
        }
        self.hearing.connecting = true;
        self.hearing.number += 1;
        let number = self.hearing.number;
        let (server, inbox) = (self.parts.server.clone(), Arc::clone(&self.parts.inbox));
        let (keys, node) = (self.shared().keys.clone(), self.shared().node);
        let connect = async move {
            let hears = Arc::clone(&inbox);
            let hear = move |push| {
                hears.hear(push, number);
                Ok::<(), std::convert::Infallible>(())
            };
            let mut connection = server.listen(hear).await?;
            let places = connection.places(|place| keys.node(node, place)).await?;
            // Others speak to this node in the first place of all.
            let mut channels: Vec<_> = places.iter().map(|place| keys.node(node, *place)).collect();
            channels.push(keys.node(node, 0));
            channels.dedup();
            connection.subscribe(&channels).await?;
            Ok::<_, RedisError>((connection, places))
        };
        ctx.spawn(connect.into_actor(self).map(|connected, relay, ctx| {
            relay.hearing.connecting = false;
            match connected {
                Ok((connection, places)) => relay.connected(connection, places, ctx),
                Err(error) => {
                    let address = relay.parts.server.address();
                    tracing::warn!(%error, redis.address = %address, "Redis cannot be listened to");
                    relay.connect_later(ctx);
                    relay.give_up_waiting();
                }
            }
        }));
    }

    /// One try after the other, each a little later.
    fn connect_later(&mut self, ctx: &mut Context<Self>) {
        let pause = self.hearing.backoff.failed(chance());
        if let Some(earlier) = self.hearing.retry.replace(ctx.run_later(pause, Self::connect)) {
            ctx.cancel_future(earlier);
        }
    }

    fn connected(&mut self, connection: Connection, places: Vec<u32>, ctx: &mut Context<Self>) {
        tracing::info!(redis.address = %self.parts.server.address(), "listening to the other nodes");
        self.hearing.backoff.worked();
        self.canary.listens(Some(places.len()), Instant::now());
        self.hearing.places = places;
        self.shared().wanted.lock().begin_anew();
        self.hearing.listening =
            Some(Listening { connection, changing: false, is_complete: false });
        self.send_canary(ctx);
        self.change_listening(ctx);
    }

    /// The connection that listens is of no use any more.
    pub(super) fn drop_listening(&mut self, ctx: &mut Context<Self>) {
        if self.hearing.listening.take().is_some() {
            self.shared().metrics.relay_lost();
            self.shared().wanted.lock().begin_anew();
            self.canary.listens(None, Instant::now());
            self.note_health();
            self.connect_later(ctx);
        }
        self.give_up_waiting();
    }

    /// A connection broke.
    pub(super) fn lost(&mut self, connection: u64, ctx: &mut Context<Self>) {
        if connection == self.hearing.number {
            self.drop_listening(ctx);
        }
    }

    pub(super) fn give_up_waiting(&self) {
        self.shared().wanted.lock().give_up();
    }

    /// A document is not listened to any more: we wanted that, or its channel has moved to another server.
    pub(super) fn unsubscribed(&mut self, document: DocumentId, ctx: &mut Context<Self>) {
        self.shared().wanted.lock().unsubscribed(document);
        self.change_listening(ctx);
    }

    /// Brings what is listened to one step closer to what is wanted.
    pub(super) fn change_listening(&mut self, ctx: &mut Context<Self>) {
        let Some(listening) = &mut self.hearing.listening else { return };
        if listening.changing {
            return;
        }
        let Some(step) = self.parts.shared.wanted.lock().next_step() else {
            if !std::mem::replace(&mut listening.is_complete, true) {
                // Whatever was told before did not arrive.
                self.parts.ear.returned();
                self.note_health();
            }
            return;
        };
        listening.changing = true;
        let number = self.hearing.number;
        let (keys, mut connection) = (self.parts.shared.keys.clone(), listening.connection.clone());
        let change = async move {
            let channels = |documents: &[DocumentId]| -> Vec<_> {
                documents.iter().map(|document| keys.document(*document)).collect()
            };
            let changed = match &step {
                SubscriptionChange::Subscribe(documents) => {
                    connection.subscribe(&channels(documents)).await
                }
                SubscriptionChange::Unsubscribe(documents) => {
                    connection.unsubscribe(&channels(documents)).await
                }
            };
            (step, changed)
        };
        ctx.spawn(change.into_actor(self).map(move |(step, changed), relay, ctx| {
            // Of a connection that was dropped meanwhile nothing follows.
            if number == relay.hearing.number {
                relay.changed_listening(step, changed, ctx);
            }
        }));
    }

    fn changed_listening(
        &mut self,
        step: SubscriptionChange,
        changed: Result<(), RedisError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(listening) = &mut self.hearing.listening else { return };
        listening.changing = false;
        match (changed, step) {
            (Ok(()), SubscriptionChange::Subscribe(documents)) => {
                let unawaited = self.parts.shared.wanted.lock().subscribed(documents);
                // Their rooms did not wait, and may have read before this what was told after that; if all of them are new,
                // everything is compared anyway.
                for document in unawaited.into_iter().filter(|_| listening.is_complete) {
                    self.parts.ear.missed(document);
                }
            }
            (Ok(()), SubscriptionChange::Unsubscribe(documents)) => {
                let mut wanted = self.parts.shared.wanted.lock();
                for document in documents {
                    wanted.unsubscribed(document);
                }
            }
            (Err(error), _) => {
                tracing::warn!(%error, "documents cannot be listened to");
                return self.drop_listening(ctx);
            }
        }
        self.change_listening(ctx);
    }
}
