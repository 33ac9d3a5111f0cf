//! What comes from Redis: read, sorted, handed on. Nothing in here waits.

use std::sync::Arc;

use parking_lot::RwLock;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::oneshot;

use crate::{
    bridge::{DeliverySink, RelayEvent},
    domain::{DocumentId, NodeId},
    metrics::Metrics,
    redis::RedisKeys,
    wire::envelope::{BadEnvelope, Envelope, Signal},
};

/// What the relay itself has to hear of.
#[derive(Debug)]
pub(super) enum DeliveryEvent {
    /// What this node sent itself came back, or another one has done what it was asked.
    Signal(Signal),
    /// Another node wants to know when what it told was carried out.
    Asked { by: NodeId, request: u64, done: oneshot::Receiver<()> },
    /// The connection that listens broke, and which one that is.
    Lost { connection: u64 },
    /// A channel is listened to no more, whether we or the server wanted that.
    Unsubscribed(DocumentId),
}

/// Where what comes in is delivered to: rooms are built later than the bridge that they speak through.
#[derive(Clone, Default)]
pub struct EventSink(Arc<RwLock<Option<Arc<dyn DeliverySink>>>>);

impl EventSink {
    /// From now on what comes in goes there.
    pub fn open(&self, to: Arc<dyn DeliverySink>) {
        *self.0.write() = Some(to);
    }

    /// Nothing more is delivered.
    pub fn close(&self) {
        *self.0.write() = None;
    }

    pub(super) fn deliver(&self, delivery: RelayEvent) {
        if let Some(to) = &*self.0.read() {
            to.deliver(delivery);
        }
    }

    /// Something about a document may not have been heard.
    pub(super) fn missed(&self, document: DocumentId) {
        self.deliver(RelayEvent::Told { document, envelope: Envelope::Compare, done: None });
    }

    pub(super) fn returned(&self) {
        if let Some(to) = &*self.0.read() {
            to.returned();
        }
    }
}

/// Reads what comes in.
pub(super) struct Inbox {
    pub(super) node: NodeId,
    pub(super) keys: RedisKeys,
    pub(super) ear: EventSink,
    pub(super) metrics: Metrics,
    /// The version of envelopes that this node reads.
    pub(super) version: u8,
    /// Takes what the relay has to hear of, at once.
    pub(super) relay: Box<dyn Fn(DeliveryEvent) + Send + Sync>,
}

impl Inbox {
    /// Takes in one push of the RESP3 protocol, from this connection.
    pub(super) fn hear(&self, push: PushInfo, connection: u64) {
        match push.kind {
            PushKind::Message | PushKind::SMessage => {
                if let [Value::BulkString(channel), Value::BulkString(bytes)] = &push.data[..] {
                    self.receive(channel, bytes);
                }
            }
            PushKind::Disconnection => (self.relay)(DeliveryEvent::Lost { connection }),
            // A cluster does so when the channel's slot moves to another server.
            PushKind::Unsubscribe | PushKind::SUnsubscribe => {
                if let Some(Value::BulkString(channel)) = push.data.first()
                    && let Some(document) = self.document(channel)
                {
                    (self.relay)(DeliveryEvent::Unsubscribed(document));
                }
            }
            _ => {}
        }
    }

    fn receive(&self, channel: &[u8], bytes: &[u8]) {
        let version = self.version;
        let read = match self.document(channel) {
            Some(document) => match Envelope::sender(bytes, version) {
                // What began here was told here already.
                Ok((from, false)) if from == self.node => Ok(()),
                Ok(_) => Envelope::decode(bytes, document, version)
                    .map(|(from, envelope)| self.told(document, from, envelope)),
                Err(bad) => Err(bad),
            },
            None => Signal::decode(bytes, version).map(|(_from, signal)| {
                (self.relay)(DeliveryEvent::Signal(signal));
            }),
        };
        if let Err(bad) = read {
            self.metrics.envelope_ignored(match bad {
                BadEnvelope::UnknownVersion => "unknown_version",
                BadEnvelope::Garbage => "garbage",
            });
        }
    }

    fn document(&self, channel: &[u8]) -> Option<DocumentId> {
        self.keys.document_of(std::str::from_utf8(channel).ok()?)
    }

    fn told(&self, document: DocumentId, from: NodeId, envelope: Envelope) {
        if from == self.node {
            // What began here was told here already; only its place among what others did is news. A departure may be
            // that of somebody on a dead node, whom this one swept away.
            match envelope {
                Envelope::Joined { sequence, .. } => {
                    self.ear.deliver(RelayEvent::Counted { document, sequence });
                }
                Envelope::Left { .. } => {
                    self.ear.deliver(RelayEvent::Told { document, envelope, done: None });
                }
                _ => {}
            }
            return;
        }
        let request = match &envelope {
            Envelope::AccessChanged { request, .. } => *request,
            _ => None,
        };
        let done = request.map(|request| {
            let (sender, done) = oneshot::channel();
            (self.relay)(DeliveryEvent::Asked { by: from, request, done });
            sender
        });
        self.ear.deliver(RelayEvent::Told { document, envelope, done });
    }
}
