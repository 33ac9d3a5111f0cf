//! graphql-transport-ws, from the client's messages to effects.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{FutureExt as _, future::LocalBoxFuture};

use super::{
    decoder::{DecodedMessage, Decoder, Decoding, ReceivedMessage},
    execution::{Execution, NewOperation, OperationCompletion, ReadyOperation, StartedOperation},
    gate::{Decision, Gate},
    renewal::{Renewal, RenewalCompletion},
};
use crate::{
    domain::Party,
    memory::HeldBytes,
    session::{
        SessionLink, SessionParts,
        heartbeat::Heartbeat,
        protocol::{Completion, ProtocolEffect, SessionView},
    },
    wire::{CloseReason, graphql_ws::ServerMessage},
};

/// Whether the client offered our subprotocol in its upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) enum Subprotocol {
    /// It did.
    Offered,
    /// It did not. It is refused by a close frame, because clients do not see why an upgrade was refused.
    Missing,
}

/// The state of a session of graphql-transport-ws.
pub(in crate::session) struct GraphQlProtocol {
    parts: Arc<SessionParts>,
    subprotocol: Subprotocol,
    decoder: Decoder,
    gate: Gate,
    renewal: Renewal,
    /// Runs operations; `None` before the client is admitted and after it has left.
    execution: Option<Execution>,
}

/// The result of work of this protocol.
pub(in crate::session) enum GraphQlCompletion {
    /// A large message is decoded.
    Decoded(DecodedMessage),
    /// The long text of an operation is parsed.
    Parsed(ReadyOperation),
    /// An operation has ended, or has its seat.
    Operation(OperationCompletion),
    /// An answer has left, so that an operation that waits may start.
    CapacityFreed,
    /// A renewed token was checked.
    Renewal(RenewalCompletion),
}

impl GraphQlProtocol {
    /// Creates the state of a session that has just opened.
    pub(in crate::session) fn new(parts: Arc<SessionParts>, subprotocol: Subprotocol) -> Self {
        let renewal = Renewal::new(Arc::clone(&parts));
        let decoder = Decoder::new(parts.turns.clone());
        Self { parts, subprotocol, decoder, gate: Gate::new(), renewal, execution: None }
    }

    pub(in crate::session) fn start(&self) -> Vec<ProtocolEffect> {
        match self.subprotocol {
            Subprotocol::Offered => vec![],
            Subprotocol::Missing => vec![ProtocolEffect::Close(CloseReason::WrongSubprotocol)],
        }
    }

    /// Acknowledges the client.
    pub(in crate::session) fn admit(
        &mut self,
        link: Arc<SessionLink>,
        heartbeat: &Heartbeat,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        let payload = serde_json::json!({
            "sessionId": link.id(),
            "userId": link.user().id,
            "heartbeat": {
                "pingEvery": milliseconds(heartbeat.ping_every()),
                "silenceAllowed": milliseconds(heartbeat.silence_allowed()),
            },
            "tokenExpiresAt": view.expires_at,
        });
        let payload = payload.to_string();
        let ack = ServerMessage::ConnectionAck { payload: Some(payload.as_bytes()) };
        self.gate.admit();
        self.execution = Some(Execution::new(Arc::clone(&self.parts), link));
        vec![ProtocolEffect::Reply(ack.frame().into(), None)]
    }

    pub(in crate::session) fn receive(
        &mut self,
        received: ReceivedMessage,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        self.decoder.push(received);
        self.decode(Vec::new(), view)
    }

    /// Decodes the messages that wait and does what they say, up to one that is decoded later. Adds to `effects`.
    fn decode(
        &mut self,
        mut effects: Vec<ProtocolEffect>,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        // A session that closes takes no further message.
        while !closes(&effects) {
            let party = self.execution.as_ref().map(|execution| Party::User(execution.user()));
            match self.decoder.next(party) {
                Some(Decoding::Done(decoded)) => effects.extend(self.handle(decoded, view)),
                Some(Decoding::Later(decoded)) => {
                    effects
                        .extend(pause_for(decoded.map(GraphQlCompletion::Decoded).boxed_local()));
                }
                None => break,
            }
        }
        effects
    }

    /// Starts the operations that wait, in order and as far as they fit, up to one whose text is parsed later. Adds to `effects`.
    fn start_waiting(&mut self, mut effects: Vec<ProtocolEffect>) -> Vec<ProtocolEffect> {
        let Some(execution) = &mut self.execution else { return effects };
        // Only one text is parsed at a time, so that its client can stop no operation that does not exist yet.
        while !closes(&effects) && !self.decoder.is_paused() {
            let Some(started) = execution.start_next() else { break };
            effects.extend(effects_of(started, &mut self.decoder));
        }
        effects.extend(execution.await_capacity());
        effects
    }

    fn handle(
        &mut self,
        DecodedMessage { message, bytes, held }: DecodedMessage,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        let decision = match message {
            Ok(message) => self.gate.receive(message),
            Err(reason) => Decision::Close(reason),
        };
        match (decision, &mut self.execution) {
            (Decision::Authenticate { token, predecessor }, _) => {
                vec![ProtocolEffect::Authenticate { token, predecessor }]
            }
            (Decision::Pong(payload), _) => {
                let pong = ServerMessage::pong(payload.as_deref()).frame();
                let pong = HeldBytes::new(pong, held).encode(|pong| pong);
                vec![ProtocolEffect::Reply(pong.into(), None)]
            }
            (Decision::Renew(token), execution) => {
                let user = execution.as_ref().map(Execution::user);
                vec![self.renewal.start(token, user, view)]
            }
            (Decision::Start(id, payload), Some(execution)) => {
                let operation = NewOperation { payload, bytes, held };
                effects_of(execution.start(id, operation, view), &mut self.decoder)
            }
            (Decision::Stop(id), Some(execution)) => {
                execution.stop(&id);
                vec![]
            }
            (Decision::Close(reason), _) => vec![ProtocolEffect::Close(reason)],
            // The gate starts operations of admitted clients only; before, there is nothing to stop.
            (Decision::Ignore | Decision::Start(..) | Decision::Stop(_), _) => vec![],
        }
    }

    pub(in crate::session) fn complete(
        &mut self,
        completion: GraphQlCompletion,
        view: &SessionView,
    ) -> Vec<ProtocolEffect> {
        let Some(execution) = &mut self.execution else { return vec![] };
        match completion {
            GraphQlCompletion::Decoded(decoded) => {
                self.decoder.resume();
                let mut effects = vec![ProtocolEffect::PauseReading(false)];
                effects.extend(self.handle(decoded, view));
                let effects = self.start_waiting(effects);
                self.decode(effects, view)
            }
            GraphQlCompletion::Parsed(parsed) => {
                self.decoder.resume();
                let effects = vec![ProtocolEffect::PauseReading(false), execution.begin(parsed)];
                let effects = self.start_waiting(effects);
                self.decode(effects, view)
            }
            GraphQlCompletion::Operation(completion) => {
                execution.complete(completion).into_iter().collect()
            }
            GraphQlCompletion::CapacityFreed => {
                execution.capacity_freed();
                self.start_waiting(Vec::new())
            }
            GraphQlCompletion::Renewal(completion) => {
                self.renewal.complete(completion, execution.link(), view)
            }
        }
    }

    /// Returns the `ping` that warns the client before its token expires.
    pub(in crate::session) fn expiry_warning(&self, expires_at: DateTime<Utc>) -> Bytes {
        let payload = serde_json::json!({ "tokenExpiresAt": expires_at }).to_string();
        ServerMessage::Ping { payload: Some(payload.as_bytes()) }.frame()
    }

    /// Returns whether a message is being decoded or an operation executed.
    pub(in crate::session) fn is_busy(&self) -> bool {
        self.decoder.is_busy() || self.execution.as_ref().is_some_and(Execution::is_busy)
    }

    /// Gives up the seats of all subscriptions. Mutations that have started continue.
    pub(in crate::session) fn leave(&mut self) {
        self.decoder.clear();
        if let Some(execution) = self.execution.take() {
            execution.leave();
        }
    }
}

/// Returns the effects of an operation that has started, or waits.
fn effects_of(started: StartedOperation, decoder: &mut Decoder) -> Vec<ProtocolEffect> {
    match started {
        StartedOperation::Begun(effect) => vec![effect],
        StartedOperation::Parsing(parsed) => {
            decoder.pause();
            pause_for(parsed.map(GraphQlCompletion::Parsed).boxed_local()).into()
        }
        StartedOperation::Waiting(effect) => effect.into_iter().collect(),
    }
}

/// Returns whether the session closes.
fn closes(effects: &[ProtocolEffect]) -> bool {
    effects.iter().any(|effect| matches!(effect, ProtocolEffect::Close(_)))
}

/// Returns the effects of a message that is decoded or handled later: those after it wait.
fn pause_for(later: LocalBoxFuture<'static, GraphQlCompletion>) -> [ProtocolEffect; 2] {
    let completion = later.map(Completion::GraphQl).boxed_local();
    [ProtocolEffect::PauseReading(true), ProtocolEffect::Await(completion)]
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
