//! Verifies, decodes and routes what Redis pushes to the subscriber connection. Nothing here waits.
//!
//! Envelopes of documents and requests to sessions go to the [`EventSink`]; signals and changes of the connection go to the
//! relay's actor. Messages that are not signed, were received before or cannot be decoded are counted and ignored.

use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use redis::{PushInfo, PushKind, Value};
use tokio::{sync::oneshot, time::Instant};

use super::{
    listeners::RemoteListeners,
    refusal::{EnvelopeRefusal, RefusedEnvelopes},
    replay_guard::{Arrival, ReplayGuard},
};
use crate::{
    bridge::{DeliverySink, RelayEvent, SessionCallSink},
    domain::{DocumentId, NodeId},
    redis::{RedisKeys, RelaySigner},
    wire::envelope::{
        Envelope, OLDEST_VERSION, SIGNED_SINCE, SessionCall, Signal, is_signed, unverified,
    },
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

    /// Has the room publish its moves, because another node may lack those that were left out or lost.
    pub(super) fn query_moves(&self, document: DocumentId) {
        let envelope = Envelope::QueryMoves;
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
    pub(super) refused: RefusedEnvelopes,
    pub(super) signer: Arc<RelaySigner>,
    pub(super) replays: Mutex<ReplayGuard>,
    pub(super) listeners: Arc<Mutex<RemoteListeners>>,
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
        let document = self.document(channel);
        // This node has already broadcast its own envelopes. Skipping them here saves the work.
        if document.is_some() && self.is_own_echo(bytes) {
            return;
        }
        let routed = self.open(channel, bytes).and_then(|envelope| match document {
            Some(document) => self.receive_of_document(document, envelope),
            None => self.receive_of_node(channel, envelope),
        });
        if let Err(refusal) = routed {
            self.refused.note(refusal);
            // It may have been a late one instead of a repeated one, so it is lost.
            if let (EnvelopeRefusal::TooOld, Some(document)) = (refusal, document) {
                self.sink.deliver_compare(document);
            }
        }
    }

    fn is_own_echo(&self, bytes: &[u8]) -> bool {
        let envelope = if is_signed(bytes) { unverified(bytes) } else { Some(bytes) };
        let sender = envelope.map(|envelope| Envelope::sender(envelope, self.version()));
        matches!(sender, Some(Ok((from, false))) if from == self.node)
    }

    /// Verifies a message, before any of its content is decoded. Returns the envelope in it.
    fn open<'a>(&self, channel: &[u8], bytes: &'a [u8]) -> Result<&'a [u8], EnvelopeRefusal> {
        if !is_signed(bytes) || self.version() < SIGNED_SINCE {
            let is_unsigned = |version| (OLDEST_VERSION..SIGNED_SINCE).contains(version);
            return if !self.signer.accepts_unsigned() && bytes.first().is_some_and(is_unsigned) {
                Err(EnvelopeRefusal::Unsigned)
            } else {
                Ok(bytes)
            };
        }
        let (serial, envelope) = self.signer.key().verify(channel, bytes)?;
        let (from, _) = Envelope::sender(envelope, self.version())?;
        match self.replays.lock().take(from, serial) {
            Arrival::New => Ok(envelope),
            Arrival::Repeated => Err(EnvelopeRefusal::Repeated),
            Arrival::TooOld => Err(EnvelopeRefusal::TooOld),
        }
    }

    fn receive_of_document(
        &self,
        document: DocumentId,
        envelope: &[u8],
    ) -> Result<(), EnvelopeRefusal> {
        let (from, envelope) = Envelope::decode(envelope, document, self.version())?;
        self.deliver(document, from, envelope);
        Ok(())
    }

    fn receive_of_node(&self, channel: &[u8], envelope: &[u8]) -> Result<(), EnvelopeRefusal> {
        if channel == self.keys.sessions().as_bytes() {
            let (from, call) = SessionCall::decode(envelope, self.version())?;
            if from != self.node {
                self.sink.call_sessions(call);
            }
        } else {
            let (_from, signal) = Signal::decode(envelope, self.version())?;
            (self.send_to_relay)(InboundEvent::Signal(signal));
        }
        Ok(())
    }

    /// Returns the newest envelope version that this node reads.
    fn version(&self) -> u8 {
        self.signer.own_version()
    }

    fn document(&self, channel: &[u8]) -> Option<DocumentId> {
        self.keys.document_of(std::str::from_utf8(channel).ok()?)
    }

    fn deliver(&self, document: DocumentId, from: NodeId, envelope: Envelope) {
        if from == self.node {
            return self.deliver_own(document, envelope);
        }
        let lacks_moves = self.listeners.lock().heard(document, Instant::now());
        if lacks_moves && !matches!(envelope, Envelope::QueryMoves) {
            self.sink.query_moves(document);
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
