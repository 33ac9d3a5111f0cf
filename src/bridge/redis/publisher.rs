//! The publishing half of the relay's actor.
//!
//! One batch is in flight at a time; further messages queue meanwhile. If a batch fails, all queued
//! messages are dropped too, and the other nodes reconcile the affected documents once publishing
//! works again.

use actix::prelude::*;
use tokio::{sync::oneshot, time::Instant};

use super::{
    actor::Relay,
    outbound_queue::{OutboundMessage, OutboundQueue},
};
use crate::{
    domain::{AccessChange, DocumentId, NodeId, UserId},
    redis::{CommandError, Commands},
    wire::envelope::{Envelope, OLDEST_VERSION, SerialSeries, Signal},
};

/// The connection that publishes, and its queue.
pub(super) struct RelayPublisher {
    commands: Commands,
    queue: OutboundQueue,
    is_publishing: bool,
    /// Present once the relay is stopping. Notified when the queue is empty.
    drained: Option<oneshot::Sender<()>>,
}

impl RelayPublisher {
    pub(super) fn new(commands: Commands) -> Self {
        Self { commands, queue: OutboundQueue::default(), is_publishing: false, drained: None }
    }

    /// Stops the relay as soon as the queue is empty, and notifies `drained`.
    pub(super) fn stop_when_drained(&mut self, drained: oneshot::Sender<()>) {
        self.drained = Some(drained);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.drained.is_some()
    }
}

impl Relay {
    /// Signs and queues a message and publishes it as soon as possible.
    pub(super) fn publish(&mut self, message: OutboundMessage, ctx: &mut Context<Self>) {
        if !self.sign_and_queue(message) {
            self.shared().metrics.relay_overflowed();
        }
        self.publish_next_batch(ctx);
    }

    /// Returns false if the queue is full. Messages are signed here, and not where they are made, so that they are published
    /// in the order of their serials.
    fn sign_and_queue(&mut self, message: OutboundMessage) -> bool {
        let OutboundMessage { channel, bytes, .. } = &message;
        let bytes = self.shared().signer.sign(SerialSeries::Relay, channel, bytes);
        self.publisher.queue.push(OutboundMessage { bytes, ..message })
    }

    /// Publishes the next batch unless one is in flight. With nothing left, a stopping relay ends.
    pub(super) fn publish_next_batch(&mut self, ctx: &mut Context<Self>) {
        if self.publisher.is_publishing {
            return;
        }
        let batch = self.publisher.queue.next_batch();
        if batch.is_empty() {
            if let Some(drained) = self.publisher.drained.take()
                && drained.send(()).is_ok()
            {
                ctx.stop();
            }
            return;
        }
        self.publisher.is_publishing = true;
        let (commands, sent_at) = (self.publisher.commands.clone(), Instant::now());
        let publish = async move {
            let published = commands
                .run(async |mut connection| {
                    let messages: Vec<_> = batch
                        .iter()
                        .map(|message| (message.channel.as_str(), message.bytes.as_slice()))
                        .collect();
                    connection.publish(&messages).await
                })
                .await;
            (batch, published)
        };
        ctx.spawn(publish.into_actor(self).map(move |(batch, published), relay, ctx| {
            relay.publisher.is_publishing = false;
            relay.batch_published(batch, published, sent_at);
            relay.publish_next_batch(ctx);
        }));
    }

    fn batch_published(
        &mut self,
        batch: Vec<OutboundMessage>,
        published: Result<Vec<u64>, CommandError>,
        sent_at: Instant,
    ) {
        let now = Instant::now();
        self.canary.published(published.is_ok(), now);
        // The result may come after the canary that it published, so waiting for the next tick would delay the start of a node
        // by a second.
        if self.canary.health(now) != self.shared().health() {
            self.report_health();
        }
        match published {
            Ok(subscriber_counts) => {
                self.note_receivers(&batch, &subscriber_counts, sent_at);
                for (message, count) in batch.into_iter().zip(subscriber_counts) {
                    if let Some(subscriber_count) = message.subscriber_count
                        && subscriber_count.send(count).is_err()
                    {
                        tracing::debug!("a publisher did not wait for its subscriber count");
                    }
                }
                self.queue_compare_for_lost();
            }
            Err(error) => {
                let documents: Vec<_> =
                    batch.iter().filter_map(|message| message.document).collect();
                if !matches!(error, CommandError::BackingOff) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, documents = documents.len(), "could not publish");
                }
                self.publisher.queue.mark_lost(documents);
                self.publisher.queue.drop_all();
                self.report_health();
            }
        }
    }

    fn note_receivers(&self, batch: &[OutboundMessage], counts: &[u64], sent_at: Instant) {
        let mut listeners = self.shared().listeners.lock();
        let counted = batch.iter().zip(counts).filter_map(|(message, count)| {
            let document = message.document?;
            listeners.counted(document, *count, sent_at).then_some(document)
        });
        let lacking: Vec<_> = counted.collect();
        drop(listeners);
        lacking.into_iter().for_each(|document| self.parts.sink.query_moves(document));
    }

    /// Makes the other nodes reconcile the documents whose messages were lost, and the rooms here publish their cursors again.
    fn queue_compare_for_lost(&mut self) {
        let unqueued = std::mem::take(&mut *self.shared().unqueued.lock());
        self.publisher.queue.mark_lost(unqueued);
        for document in self.publisher.queue.take_lost() {
            let message = self.shared().message(document, &Envelope::Compare, OLDEST_VERSION);
            // If the queue is full, it records the document as lost again.
            self.sign_and_queue(message);
            self.parts.sink.query_moves(document);
        }
    }

    /// Tells the other nodes that this one listens to a document again, so that they publish its cursors. The message is published with
    /// the next batch, at the latest with the next canaries.
    pub(super) fn announce(&mut self, document: DocumentId) {
        let version = self.shared().signer.version();
        if !Envelope::QueryMoves.is_known_to(version) {
            return;
        }
        let message = self.shared().message(document, &Envelope::QueryMoves, version);
        // If the queue is full, it records the document as lost.
        self.sign_and_queue(message);
    }

    /// Acknowledges another node's request when this node has applied it.
    pub(super) fn acknowledge_when_applied(
        &mut self,
        node: NodeId,
        request: u64,
        applied: oneshot::Receiver<()>,
        ctx: &mut Context<Self>,
    ) {
        // A dropped sender counts as applied: this node has nothing to apply the request to.
        ctx.spawn(applied.into_actor(self).map(move |_applied, relay, ctx| {
            let message = OutboundMessage {
                channel: relay.shared().keys.node(node, 0),
                bytes: Signal::Done { request }.encode(relay.shared().node),
                document: None,
                subscriber_count: None,
            };
            relay.publish(message, ctx);
        }));
    }
}

/// Publishes a message.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Publish(pub(super) OutboundMessage);

impl Handler<Publish> for Relay {
    type Result = ();

    fn handle(&mut self, Publish(message): Publish, ctx: &mut Self::Context) {
        self.publish(message, ctx);
    }
}

/// Publishes a change of a user's access, and notifies `acknowledged` when all nodes have applied it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct PublishAccessChange {
    pub(super) document: DocumentId,
    pub(super) user: UserId,
    pub(super) access: AccessChange,
    pub(super) acknowledged: oneshot::Sender<()>,
}

impl Handler<PublishAccessChange> for Relay {
    type Result = ();

    fn handle(&mut self, change: PublishAccessChange, ctx: &mut Self::Context) {
        let PublishAccessChange { document, user, access, acknowledged } = change;
        let request = self.acknowledgements.register(acknowledged);
        let (sender, subscriber_count) = oneshot::channel();
        let envelope = Envelope::AccessChanged { user, access, request: Some(request) };
        let version = self.shared().signer.version();
        let mut message = self.shared().message(document, &envelope, version);
        message.subscriber_count = Some(sender);
        self.publish(message, ctx);
        ctx.spawn(subscriber_count.into_actor(self).map(move |count, relay, _ctx| {
            // After a failed publish no node acknowledges, and the waiter runs into its time limit.
            if let Ok(count) = count {
                relay.acknowledgements.expect(request, count);
            }
        }));
    }
}
