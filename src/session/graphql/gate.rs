//! The rules of graphql-transport-ws: what a client's message means at this point of its session.
//!
//! Pure: [`Gate::receive`] takes a message and returns a [`Decision`]. The caller knows which operations are running;
//! the gate knows whether the client is admitted.

use serde_json::value::RawValue;

use crate::wire::{
    CloseReason, Predecessor,
    graphql_ws::{ClientMessage, OperationId, SubscribePayload, token_in, token_in_ping},
};

/// The progress of a session towards admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GatePhase {
    /// `connection_init` is expected.
    AwaitingInit,
    /// `connection_init` has arrived, and the client is being authenticated.
    Authenticating,
    /// The client has its `connection_ack`.
    Admitted,
}

/// What to do about a message.
#[derive(Debug)]
pub(in crate::session) enum Decision {
    /// Authenticate the client, with the token of its payload if there is one. Then admit it in the place of its
    /// predecessor, or close.
    Authenticate { token: Option<String>, predecessor: Option<Predecessor> },
    /// Answer with a `pong` that has the same payload.
    Pong(Option<Box<RawValue>>),
    /// Check the new token, then answer with a `pong`.
    Renew(String),
    /// Start the operation under this id.
    Start(OperationId, SubscribePayload),
    /// Stop the operation, if it is still running.
    Stop(OperationId),
    /// Do nothing.
    Ignore,
    /// Close the session.
    Close(CloseReason),
}

/// The state of the handshake of graphql-transport-ws.
#[derive(Debug)]
pub(in crate::session) struct Gate {
    phase: GatePhase,
}

impl Gate {
    /// Creates the gate of a session that has just opened.
    pub(in crate::session) fn new() -> Self {
        Self { phase: GatePhase::AwaitingInit }
    }

    /// Decides what to do about `message`.
    pub(in crate::session) fn receive(&mut self, message: ClientMessage) -> Decision {
        match message {
            ClientMessage::ConnectionInit { payload } => match self.phase {
                GatePhase::AwaitingInit => {
                    self.phase = GatePhase::Authenticating;
                    Decision::Authenticate {
                        token: payload.as_ref().and_then(token_in).map(str::to_owned),
                        predecessor: payload.as_ref().and_then(Predecessor::in_init),
                    }
                }
                GatePhase::Authenticating | GatePhase::Admitted => {
                    Decision::Close(CloseReason::SecondInit)
                }
            },
            ClientMessage::Subscribe { id, payload } => match self.phase {
                GatePhase::Admitted => Decision::Start(id, payload),
                GatePhase::AwaitingInit | GatePhase::Authenticating => {
                    Decision::Close(CloseReason::Unauthorized)
                }
            },
            ClientMessage::Ping { payload } => match self.new_token(payload.as_deref()) {
                Some(token) => Decision::Renew(token),
                None => Decision::Pong(payload),
            },
            ClientMessage::Complete { id } => Decision::Stop(id),
            ClientMessage::Pong { .. } => Decision::Ignore,
        }
    }

    /// Returns the new token in a ping. Before admission a ping with a token is an ordinary ping.
    fn new_token(&self, payload: Option<&RawValue>) -> Option<String> {
        if self.phase != GatePhase::Admitted {
            return None;
        }
        token_in_ping(payload?)
    }

    /// Notes that the client is admitted.
    pub(in crate::session) fn admit(&mut self) {
        self.phase = GatePhase::Admitted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(json: &str) -> ClientMessage {
        crate::wire::graphql_ws::parse(json.as_bytes()).unwrap()
    }

    fn admitted() -> Gate {
        let mut gate = Gate::new();
        assert!(matches!(
            gate.receive(message(r#"{"type":"connection_init"}"#)),
            Decision::Authenticate { token: None, predecessor: None }
        ));
        gate.admit();
        gate
    }

    const SUBSCRIBE: &str = r#"{"type":"subscribe","id":"1","payload":{"query":"{me{id}}"}}"#;

    #[test]
    fn the_token_of_connection_init_is_passed_on() {
        let init = message(r#"{"type":"connection_init","payload":{"authToken":"t"}}"#);
        let Decision::Authenticate { token, .. } = Gate::new().receive(init) else { panic!() };
        assert_eq!(token.as_deref(), Some("t"));
    }

    #[test]
    fn an_operation_before_the_ack_closes_with_4401() {
        let mut gate = Gate::new();
        let decision = gate.receive(message(SUBSCRIBE));
        assert!(matches!(decision, Decision::Close(CloseReason::Unauthorized)));

        let mut gate = Gate::new();
        gate.receive(message(r#"{"type":"connection_init"}"#));
        let decision = gate.receive(message(SUBSCRIBE));
        assert!(matches!(decision, Decision::Close(CloseReason::Unauthorized)));
    }

    #[test]
    fn a_second_init_closes_with_4429_before_and_after_the_ack() {
        let mut gate = Gate::new();
        gate.receive(message(r#"{"type":"connection_init"}"#));
        let decision = gate.receive(message(r#"{"type":"connection_init"}"#));
        assert!(matches!(decision, Decision::Close(CloseReason::SecondInit)));

        let decision = admitted().receive(message(r#"{"type":"connection_init"}"#));
        assert!(matches!(decision, Decision::Close(CloseReason::SecondInit)));
    }

    #[test]
    fn a_ping_is_answered_at_any_time_and_renews_only_after_admission() {
        let ping = r#"{"type":"ping","payload":{"authToken":"t"}}"#;
        assert!(matches!(Gate::new().receive(message(ping)), Decision::Pong(Some(_))));
        assert!(matches!(admitted().receive(message(ping)), Decision::Renew(t) if t == "t"));
        let plain = admitted().receive(message(r#"{"type":"ping"}"#));
        assert!(matches!(plain, Decision::Pong(None)));
    }
}
