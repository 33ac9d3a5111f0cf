//! The subscribing half of the relay's actor.
//!
//! One change of subscriptions is in flight at a time; further changes accumulate in
//! [`ChannelSubscriptions`](super::channels::ChannelSubscriptions). A connection that breaks, or that
//! delivers nothing although Redis responds, is dropped and opened again.

use std::sync::Arc;

use actix::prelude::*;
use redis::RedisError;
use tokio::time::Instant;

use super::{actor::Relay, channels::SubscriptionChange};
use crate::{
    domain::DocumentId,
    redis::{Backoff, Connection, random_fraction},
};

/// The subscriber connection and the state of reconnecting.
#[derive(Default)]
pub(super) struct RelaySubscriber {
    connection: Option<ActiveConnection>,
    is_connecting: bool,
    /// The scheduled next attempt to connect.
    retry: Option<SpawnHandle>,
    backoff: Backoff,
    /// Counts attempts to connect, so that events of an earlier connection can be ignored.
    generation: u64,
    /// The indices of the canary channels: one for each primary that was known when connecting.
    canary_channels: Vec<u32>,
}

struct ActiveConnection {
    connection: Connection,
    /// A change of subscriptions is in flight.
    is_changing: bool,
    /// All channels that were wanted when the connection was opened have been subscribed.
    is_complete: bool,
}

impl RelaySubscriber {
    pub(super) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    pub(super) fn canary_channels(&self) -> &[u32] {
        &self.canary_channels
    }
}

impl Relay {
    /// Opens the subscriber connection, unless it exists, is being opened, or waits for a retry.
    pub(super) fn connect_if_due(&mut self, ctx: &mut Context<Self>) {
        if self.subscriber.retry.is_none() {
            self.connect(ctx);
        }
    }

    fn connect(&mut self, ctx: &mut Context<Self>) {
        let subscriber = &mut self.subscriber;
        subscriber.retry = None;
        if subscriber.is_connecting || subscriber.is_connected() || self.publisher.is_stopping() {
            return;
        }
        subscriber.is_connecting = true;
        subscriber.generation += 1;
        let connect = self.open_connection(self.subscriber.generation);
        ctx.spawn(connect.into_actor(self).map(|connected, relay, ctx| {
            relay.subscriber.is_connecting = false;
            match connected {
                Ok((connection, canary_channels)) => {
                    relay.connected(connection, canary_channels, ctx);
                }
                Err(error) => {
                    let address = relay.parts.server.address();
                    tracing::warn!(%error, redis.address = %address, "could not subscribe to Redis");
                    relay.connect_later(ctx);
                    relay.fail_waiters();
                }
            }
        }));
    }

    /// Opens a connection and subscribes it to this node's own channels and to that of all nodes. Returns it with the indices of
    /// the canary channels.
    fn open_connection(
        &self,
        generation: u64,
    ) -> impl Future<Output = Result<(Connection, Vec<u32>), RedisError>> + use<> {
        let (server, router) = (self.parts.server.clone(), Arc::clone(&self.parts.router));
        let (keys, node) = (self.shared().keys.clone(), self.shared().node);
        async move {
            let route = move |push| {
                router.route(push, generation);
                Ok::<(), std::convert::Infallible>(())
            };
            let mut connection = server.connect_with_push(route).await?;
            let canary_channels =
                connection.cover_primaries(|index| keys.node(node, index)).await?;
            let mut channels: Vec<_> =
                canary_channels.iter().map(|index| keys.node(node, *index)).collect();
            // Other nodes send acknowledgements to the channel with index 0.
            channels.push(keys.node(node, 0));
            channels.dedup();
            channels.push(keys.sessions());
            connection.subscribe(&channels).await?;
            Ok((connection, canary_channels))
        }
    }

    /// Schedules the next attempt, with a delay that grows with every failure.
    fn connect_later(&mut self, ctx: &mut Context<Self>) {
        let delay = self.subscriber.backoff.next_delay(random_fraction());
        let retry = ctx.run_later(delay, Self::connect);
        if let Some(earlier) = self.subscriber.retry.replace(retry) {
            ctx.cancel_future(earlier);
        }
    }

    fn connected(
        &mut self,
        connection: Connection,
        canary_channels: Vec<u32>,
        ctx: &mut Context<Self>,
    ) {
        tracing::info!(redis.address = %self.parts.server.address(), "subscribed to Redis");
        self.subscriber.backoff.reset();
        self.canary.subscribed(canary_channels.len(), Instant::now());
        self.subscriber.canary_channels = canary_channels;
        self.shared().channels.lock().reset();
        self.shared().listeners.lock().reset();
        self.subscriber.connection =
            Some(ActiveConnection { connection, is_changing: false, is_complete: false });
        self.send_canaries(ctx);
        self.update_subscriptions(ctx);
    }

    /// Drops the subscriber connection and schedules a new one.
    pub(super) fn drop_connection(&mut self, ctx: &mut Context<Self>) {
        if self.subscriber.connection.take().is_some() {
            self.shared().metrics.relay_lost();
            self.shared().channels.lock().reset();
            self.shared().listeners.lock().reset();
            self.canary.disconnected();
            self.report_health();
            self.connect_later(ctx);
        }
        self.fail_waiters();
    }

    /// Handles the end of the connection of this generation.
    pub(super) fn disconnected(&mut self, generation: u64, ctx: &mut Context<Self>) {
        if generation == self.subscriber.generation {
            self.drop_connection(ctx);
        }
    }

    pub(super) fn fail_waiters(&self) {
        self.shared().channels.lock().fail_waiters();
    }

    /// Handles the end of a subscription: this node unsubscribed, or the channel moved to another server.
    pub(super) fn unsubscribed(&mut self, document: DocumentId, ctx: &mut Context<Self>) {
        self.shared().channels.lock().mark_unsubscribed(document);
        self.shared().listeners.lock().unsubscribed(document);
        self.update_subscriptions(ctx);
    }

    /// Starts the next change of subscriptions, unless one is in flight.
    pub(super) fn update_subscriptions(&mut self, ctx: &mut Context<Self>) {
        let generation = self.subscriber.generation;
        let Some(active) = &mut self.subscriber.connection else { return };
        if active.is_changing {
            return;
        }
        let Some(change) = self.parts.shared.channels.lock().next_change() else {
            if !std::mem::replace(&mut active.is_complete, true) {
                // Envelopes that were published before this moment are lost.
                self.parts.sink.relay_recovered();
                self.report_health();
            }
            return;
        };
        active.is_changing = true;
        let (keys, mut connection) = (self.parts.shared.keys.clone(), active.connection.clone());
        let apply = async move {
            let channels = |documents: &[DocumentId]| -> Vec<_> {
                documents.iter().map(|document| keys.document(*document)).collect()
            };
            let applied = match &change {
                SubscriptionChange::Subscribe(documents) => {
                    connection.subscribe(&channels(documents)).await
                }
                SubscriptionChange::Unsubscribe(documents) => {
                    connection.unsubscribe(&channels(documents)).await
                }
            };
            (change, applied)
        };
        ctx.spawn(apply.into_actor(self).map(move |(change, applied), relay, ctx| {
            // The result says nothing about a newer connection.
            if generation == relay.subscriber.generation {
                relay.subscriptions_changed(change, applied, ctx);
            }
        }));
    }

    fn subscriptions_changed(
        &mut self,
        change: SubscriptionChange,
        applied: Result<(), RedisError>,
        ctx: &mut Context<Self>,
    ) {
        let Some(active) = &mut self.subscriber.connection else { return };
        active.is_changing = false;
        match (applied, change) {
            (Ok(()), SubscriptionChange::Subscribe(documents)) => {
                let mut listeners = self.parts.shared.listeners.lock();
                documents.iter().for_each(|id| listeners.subscribed(*id, Instant::now()));
                drop(listeners);
                let unawaited = self.parts.shared.channels.lock().mark_subscribed(documents);
                // The rooms of these documents did not wait. They may have read the store before an
                // envelope was published that did not reach them. While the first subscriptions of a
                // connection are incomplete, `relay_recovered` is still to come and covers all documents.
                let is_complete = active.is_complete;
                for document in unawaited {
                    if is_complete {
                        self.parts.sink.deliver_compare(document);
                    }
                    self.announce(document);
                    // What was published without the connection has reached nobody.
                    self.parts.sink.query_moves(document);
                }
            }
            (Ok(()), SubscriptionChange::Unsubscribe(documents)) => {
                let mut channels = self.parts.shared.channels.lock();
                let mut listeners = self.parts.shared.listeners.lock();
                for document in documents {
                    listeners.unsubscribed(document);
                    channels.mark_unsubscribed(document);
                }
            }
            (Err(error), _) => {
                tracing::warn!(%error, "could not change subscriptions; reconnecting");
                return self.drop_connection(ctx);
            }
        }
        self.update_subscriptions(ctx);
    }
}
