//! What a client's message means at this point of its session: the rules of graphql-transport-ws.
//!
//! Pure: [`Gate::receive`] is given what came and says what to do. Which operations are running is the caller's
//! to know; who is admitted when is decided here.

use serde_json::value::RawValue;

use crate::wire::{
    CloseReason,
    graphql_ws::{ClientMessage, OperationId, SubscribePayload, token_in, token_in_ping},
};

/// How far a session has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GatePhase {
    /// Nothing but `connection_init`, pings and pongs is expected.
    Waiting,
    /// `connection_init` came; the client is being looked at.
    Admitting,
    /// The client got its `connection_ack`.
    Admitted,
    /// The last frame is on its way; whatever still comes is not looked at.
    Closing,
}

/// What to do about a message.
#[derive(Debug)]
pub(in crate::session) enum Decision {
    /// Look at the client, with the token of its payload if it brought one, then admit or close.
    Admit(Option<String>),
    /// Answer with a pong of the same payload.
    Pong(Option<Box<RawValue>>),
    /// Look at the fresh token, then answer with a pong.
    Renew(String),
    /// Run the operation under this id.
    Start(OperationId, SubscribePayload),
    /// End the operation, if it is still running.
    Stop(OperationId),
    /// Nothing.
    Ignore,
    /// End the session.
    Close(CloseReason),
}

/// The state of a session's protocol.
#[derive(Debug)]
pub(in crate::session) struct Gate {
    phase: GatePhase,
}

impl Gate {
    /// A session that has just opened.
    pub(in crate::session) fn new() -> Self {
        Self { phase: GatePhase::Waiting }
    }

    /// What to do about `message`.
    pub(in crate::session) fn receive(&mut self, message: ClientMessage) -> Decision {
        if self.phase == GatePhase::Closing {
            return Decision::Ignore;
        }
        match message {
            ClientMessage::ConnectionInit { payload } => match self.phase {
                GatePhase::Waiting => {
                    self.phase = GatePhase::Admitting;
                    Decision::Admit(payload.as_ref().and_then(token_in).map(str::to_owned))
                }
                _ => Decision::Close(CloseReason::SecondInit),
            },
            ClientMessage::Subscribe { id, payload } => match self.phase {
                GatePhase::Admitted => Decision::Start(id, payload),
                _ => Decision::Close(CloseReason::Unauthorized),
            },
            ClientMessage::Ping { payload } => match self.fresh_token(payload.as_deref()) {
                Some(token) => Decision::Renew(token),
                None => Decision::Pong(payload),
            },
            ClientMessage::Complete { id } => Decision::Stop(id),
            ClientMessage::Pong { .. } => Decision::Ignore,
        }
    }

    /// Only an admitted client can renew; until then a ping is a ping.
    fn fresh_token(&self, payload: Option<&RawValue>) -> Option<String> {
        if self.phase != GatePhase::Admitted {
            return None;
        }
        token_in_ping(payload?)
    }

    /// The upgrade said everything: the client is being looked at. Nothing of this protocol is expected of it.
    pub(in crate::session) fn begin(&mut self) {
        self.phase = GatePhase::Admitting;
    }

    /// The client is admitted. False when the session is closing instead.
    pub(in crate::session) fn admit(&mut self) -> bool {
        let admits = self.phase == GatePhase::Admitting;
        if admits {
            self.phase = GatePhase::Admitted;
        }
        admits
    }

    /// The session is closing. False when it already was.
    pub(in crate::session) fn close(&mut self) -> bool {
        std::mem::replace(&mut self.phase, GatePhase::Closing) != GatePhase::Closing
    }

    /// Whether the last frame is on its way.
    pub(in crate::session) fn is_closing(&self) -> bool {
        self.phase == GatePhase::Closing
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
            Decision::Admit(None)
        ));
        assert!(gate.admit());
        gate
    }

    const SUBSCRIBE: &str = r#"{"type":"subscribe","id":"1","payload":{"query":"{me{id}}"}}"#;

    #[test]
    fn the_token_of_the_init_is_looked_at() {
        let init = message(r#"{"type":"connection_init","payload":{"authToken":"t"}}"#);
        let Decision::Admit(token) = Gate::new().receive(init) else { panic!() };
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
    fn pings_are_answered_at_any_time_and_renew_only_once_admitted() {
        let ping = r#"{"type":"ping","payload":{"authToken":"t"}}"#;
        assert!(matches!(Gate::new().receive(message(ping)), Decision::Pong(Some(_))));
        assert!(matches!(admitted().receive(message(ping)), Decision::Renew(t) if t == "t"));
        let plain = admitted().receive(message(r#"{"type":"ping"}"#));
        assert!(matches!(plain, Decision::Pong(None)));
    }

    #[test]
    fn a_closing_session_looks_at_nothing_and_admits_nobody() {
        let mut gate = Gate::new();
        gate.receive(message(r#"{"type":"connection_init"}"#));
        assert!(gate.close());
        assert!(!gate.close());
        assert!(!gate.admit());
        assert!(matches!(gate.receive(message(SUBSCRIBE)), Decision::Ignore));
    }
}
