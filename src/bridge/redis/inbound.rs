//! Decodes and routes what Redis pushes to the subscriber connection. Nothing here waits.
//!
//! Envelopes of documents and requests to sessions go to the [`EventSink`]; signals and changes of the connection go to the
//! relay's actor. Undecodable messages are counted and ignored.

use std::sync::Arc;

use parking_lot::RwLock;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::oneshot;

use crate::{
    bridge::{DeliverySink, RelayEvent, SessionCallSink},
    domain::{DocumentId, NodeId},
    metrics::Metrics,
    redis::RedisKeys,
    wire::envelope::{BadEnvelope, Envelope, SessionCall, Signal},
};

/// An event that the relay's actor handles itself.
#[derive(Debug)]
pub(super) enum InboundEvent {
    /// A canary of this node arrived, or a node acknowledged a request of this one.
    Signal(Signal),
    /// Another node waits for an acknowledgement. `applied` resolves when it can be sent.
    AcknowledgementRequested { node: NodeId, request: u64, applied: oneshot::Receiver<()> },
    /// The subscriber connection of this generation was lost.
    Disconnected { generation: u64 },
    /// The subscription to a document ended, requested by this node or by the server.
    Unsubscribed(DocumentId),
}

/// The sinks that receive the relay's events and the requests to sessions. They are connected after the
/// relay has started, because rooms and sessions are built after the bridge that they publish to.
/// Clones share them.
#[derive(Clone, Default)]
pub struct EventSink(Arc<RwLock<Option<OpenSinks>>>);

struct OpenSinks {
    rooms: Arc<dyn DeliverySink>,
    sessions: Arc<dyn SessionCallSink>,
}

impl EventSink {
    /// Delivers all further events to `rooms`, and all further requests to `sessions`. Before that, both
    /// are discarded.
    pub fn open(&self, rooms: Arc<dyn DeliverySink>, sessions: Arc<dyn SessionCallSink>) {
        *self.0.write() = Some(OpenSinks { rooms, sessions });
    }

    /// Discards all further events.
    pub fn close(&self) {
        *self.0.write() = None;
    }

    pub(super) fn deliver(&self, event: RelayEvent) {
        if let Some(sinks) = &*self.0.read() {
            sinks.rooms.deliver(event);
        }
    }

    fn call_sessions(&self, call: SessionCall) {
        if let Some(sinks) = &*self.0.read() {
            sinks.sessions.receive(call);
        }
    }

    /// Requests a reconciliation of one document, because its envelopes may have been lost.
    pub(super) fn deliver_compare(&self, document: DocumentId) {
        let envelope = Envelope::Compare;
        self.deliver(RelayEvent::Envelope { document, envelope, acknowledge: None });
    }

    pub(super) fn relay_recovered(&self) {
        if let Some(sinks) = &*self.0.read() {
            sinks.rooms.relay_recovered();
        }
    }
}

/// Routes inbound messages to the sink and to the relay's actor.
pub(super) struct InboundRouter {
    pub(super) node: NodeId,
    pub(super) keys: RedisKeys,
    pub(super) sink: EventSink,
    pub(super) metrics: Metrics,
    /// The newest envelope version that this node reads.
    pub(super) version: u8,
    /// Sends an event to the relay's actor without waiting.
    pub(super) send_to_relay: Box<dyn Fn(InboundEvent) + Send + Sync>,
}

impl InboundRouter {
    /// Routes one RESP3 push from the subscriber connection of this generation.
    pub(super) fn route(&self, push: PushInfo, generation: u64) {
        match push.kind {
            PushKind::Message | PushKind::SMessage => {
                if let [Value::BulkString(channel), Value::BulkString(bytes)] = &push.data[..] {
                    self.receive(channel, bytes);
                }
            }
            PushKind::Disconnection => {
                (self.send_to_relay)(InboundEvent::Disconnected { generation });
            }
            // A Redis Cluster unsubscribes clients when the channel's slot moves to another server.
            PushKind::Unsubscribe | PushKind::SUnsubscribe => {
                if let Some(Value::BulkString(channel)) = push.data.first()
                    && let Some(document) = self.document(channel)
                {
                    (self.send_to_relay)(InboundEvent::Unsubscribed(document));
                }
            }
            _ => {}
        }
    }

    fn receive(&self, channel: &[u8], bytes: &[u8]) {
        let version = self.version;
        let decoded = match self.document(channel) {
            Some(document) => match Envelope::sender(bytes, version) {
                // This node has already broadcast its own envelopes. Skipping them here saves the decoding.
                Ok((from, false)) if from == self.node => Ok(()),
                Ok(_) => Envelope::decode(bytes, document, version)
                    .map(|(from, envelope)| self.deliver(document, from, envelope)),
                Err(bad) => Err(bad),
            },
            None if channel == self.keys.sessions().as_bytes() => {
                SessionCall::decode(bytes, version).map(|(from, call)| {
                    if from != self.node {
                        self.sink.call_sessions(call);
                    }
                })
            }
            None => Signal::decode(bytes, version).map(|(_from, signal)| {
                (self.send_to_relay)(InboundEvent::Signal(signal));
            }),
        };
        if let Err(bad) = decoded {
            self.metrics.envelope_ignored(match bad {
                BadEnvelope::UnknownVersion => "unknown_version",
                BadEnvelope::Garbage => "garbage",
            });
        }
    }

    fn document(&self, channel: &[u8]) -> Option<DocumentId> {
        self.keys.document_of(std::str::from_utf8(channel).ok()?)
    }

    fn deliver(&self, document: DocumentId, from: NodeId, envelope: Envelope) {
        if from == self.node {
            return self.deliver_own(document, envelope);
        }
        let request = match &envelope {
            Envelope::AccessChanged { request, .. } => *request,
            _ => None,
        };
        let acknowledge = request.map(|request| {
            let (acknowledge, applied) = oneshot::channel();
            let node = from;
            (self.send_to_relay)(InboundEvent::AcknowledgementRequested { node, request, applied });
            acknowledge
        });
        self.sink.deliver(RelayEvent::Envelope { document, envelope, acknowledge });
    }

    /// Delivers what this node does not know yet about an arrival or departure that it wrote.
    fn deliver_own(&self, document: DocumentId, envelope: Envelope) {
        match envelope {
            // The arrival is known, but not its number.
            Envelope::Joined { sequence, .. } => {
                self.sink.deliver(RelayEvent::PresenceCounted { document, sequence });
            }
            // The session may be one of a dead node, removed from the roster by this node.
            Envelope::Left { .. } => {
                self.sink.deliver(RelayEvent::Envelope { document, envelope, acknowledge: None });
            }
            // Redis counted this node among the subscribers, so it acknowledges its own request.
            Envelope::AccessChanged { request: Some(request), .. } => {
                (self.send_to_relay)(InboundEvent::Signal(Signal::Done { request }));
            }
            _ => {}
        }
    }
}
