//! The part of the relay's actor that publishes. One batch is under way at a time; what comes meanwhile gathers.

use actix::prelude::*;
use tokio::{sync::oneshot, time::Instant};

use super::{actor::Relay, outbound_queue::OutboundMessage};
use crate::{
    domain::{AccessLevel, DocumentId, NodeId, UserId},
    redis::Away,
    wire::envelope::{Envelope, OLDEST_VERSION, Signal},
};

impl Relay {
    /// Queues a message and sees that it goes out.
    pub(super) fn publish(&mut self, message: OutboundMessage, ctx: &mut Context<Self>) {
        if !self.outgoing.push(message) {
            self.shared().metrics.relay_overflowed();
        }
        self.publish_next(ctx);
    }

    pub(super) fn publish_next(&mut self, ctx: &mut Context<Self>) {
        if self.publishing {
            return;
        }
        let batch = self.outgoing.next();
        if batch.is_empty() {
            if let Some(stopping) = self.stopping.take()
                && stopping.send(()).is_ok()
            {
                ctx.stop();
            }
            return;
        }
        self.publishing = true;
        let publisher = self.publisher.clone();
        let publish = async move {
            let heard = publisher
                .ask(async |mut connection| {
                    let messages: Vec<_> = batch
                        .iter()
                        .map(|message| (message.channel.as_str(), message.bytes.as_slice()))
                        .collect();
                    connection.publish(&messages).await
                })
                .await;
            (batch, heard)
        };
        ctx.spawn(publish.into_actor(self).map(|(batch, heard), relay, ctx| {
            relay.publishing = false;
            relay.published(batch, heard);
            relay.publish_next(ctx);
        }));
    }

    fn published(&mut self, batch: Vec<OutboundMessage>, heard: Result<Vec<u64>, Away>) {
        self.canary.published(heard.is_ok(), Instant::now());
        match heard {
            Ok(heard) => {
                for (message, heard) in batch.into_iter().zip(heard) {
                    if let Some(asked) = message.heard_by
                        && asked.send(heard).is_err()
                    {
                        tracing::debug!("nobody waited to know how many had heard");
                    }
                }
                self.make_up();
            }
            Err(error) => {
                let documents: Vec<_> =
                    batch.iter().filter_map(|message| message.document).collect();
                if !matches!(error, Away::Resting) {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, documents = documents.len(), "could not be published");
                }
                self.outgoing.failed(documents);
                self.note_health();
            }
        }
    }

    /// Tells the other nodes to compare what they were not told.
    fn make_up(&mut self) {
        let unqueued = std::mem::take(&mut *self.shared().unqueued.lock());
        self.outgoing.missed(unqueued);
        for document in self.outgoing.take_missed() {
            let bytes = Envelope::Compare.encode(self.shared().node, OLDEST_VERSION);
            let channel = self.shared().keys.document(document);
            // What finds no room is remembered again.
            self.outgoing.push(OutboundMessage {
                channel,
                bytes,
                document: Some(document),
                heard_by: None,
            });
        }
    }

    /// Tells another node when what it asked for has been carried out.
    pub(super) fn acknowledge(
        &mut self,
        by: NodeId,
        request: u64,
        done: oneshot::Receiver<()>,
        ctx: &mut Context<Self>,
    ) {
        ctx.spawn(done.into_actor(self).map(move |_done, relay, ctx| {
            let bytes = Signal::Done { request }.encode(relay.shared().node);
            let channel = relay.shared().keys.node(by, 0);
            relay.publish(OutboundMessage { channel, bytes, document: None, heard_by: None }, ctx);
        }));
    }
}

/// Publish this.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Publish(pub(super) OutboundMessage);

impl Handler<Publish> for Relay {
    type Result = ();

    fn handle(&mut self, Publish(message): Publish, ctx: &mut Self::Context) {
        self.publish(message, ctx);
    }
}

/// Tell the other nodes that a user's access changed, and say when they have carried it out.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Tell {
    pub(super) document: DocumentId,
    pub(super) user: UserId,
    pub(super) level: Option<AccessLevel>,
    pub(super) done: oneshot::Sender<()>,
}

impl Handler<Tell> for Relay {
    type Result = ();

    fn handle(&mut self, Tell { document, user, level, done }: Tell, ctx: &mut Self::Context) {
        let request = self.acknowledgements.open(done);
        let (heard_by, heard) = oneshot::channel();
        let envelope = Envelope::AccessChanged { user, level, request: Some(request) };
        let bytes = envelope.encode(self.shared().node, OLDEST_VERSION);
        let channel = self.shared().keys.document(document);
        let here = self.shared().wanted.lock().hears(document);
        self.publish(
            OutboundMessage { channel, bytes, document: Some(document), heard_by: Some(heard_by) },
            ctx,
        );
        ctx.spawn(heard.into_actor(self).map(move |heard, relay, _ctx| {
            // Where it could not be told nobody will answer, and whoever waits does so for as long as he would at most.
            if let Ok(heard) = heard {
                // This node hears itself, and does not answer.
                relay.acknowledgements.asked(request, heard.saturating_sub(u64::from(here)));
            }
        }));
    }
}
