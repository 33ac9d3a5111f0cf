//! graphql-transport-ws on a raw socket: messages as JSON, as they come.

use serde_json::{Value, json};

use super::{Account, Frame, Handshake, Listens, Opcode, RawSocket, Received, seats, until};

impl RawSocket {
    /// A socket of `account` that got its ack.
    pub(crate) async fn admitted(node: &impl Listens, account: &Account) -> Self {
        let mut socket = Handshake::to(node).open().await;
        socket.init(&account.token).await;
        socket
    }

    /// Sends `connection_init` with a token and gives the payload of the ack.
    pub(crate) async fn init(&mut self, token: &str) -> Value {
        self.say(json!({ "type": "connection_init", "payload": { "authToken": token } })).await;
        self.acknowledged().await
    }

    /// The payload of the ack, which comes next.
    pub(crate) async fn acknowledged(&mut self) -> Value {
        let ack = self.hear().await;
        assert_eq!(ack["type"], "connection_ack");
        ack["payload"].clone()
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.send(Frame::text(&message.to_string())).await;
    }

    /// The next message. Pings of the transport are answered on the way.
    pub(crate) async fn hear(&mut self) -> Value {
        match self.hear_or_close().await {
            Ok(message) => message,
            Err(closed) => panic!("instead of a message came {closed:?}"),
        }
    }

    /// The next message, or the code and reason with which the server closes instead.
    pub(crate) async fn hear_or_close(&mut self) -> Result<Value, (u16, String)> {
        loop {
            match self.receive().await {
                Received::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                Received::Ping(payload) => self.send(Frame::new(Opcode::Pong, payload)).await,
                Received::Close(code, reason) => {
                    let code = code.unwrap();
                    self.send_what_is_taken(&Frame::close(code, "").bytes()).await;
                    return Err((code, reason));
                }
                other => panic!("instead of a message came {other:?}"),
            }
        }
    }

    pub(crate) async fn ask(&mut self, id: &str, query: &str) {
        self.ask_with(id, query, json!({})).await;
    }

    pub(crate) async fn ask_with(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.say(json!({ "type": "subscribe", "id": id, "payload": payload })).await;
    }

    /// Subscribes, and waits until one seat more is taken on the node: the protocol has no word for that.
    pub(crate) async fn listen(&mut self, node: &impl Listens, id: &str, subscription: &str) {
        let before = seats(node).await;
        self.ask(id, subscription).await;
        until("one more subscription", async || seats(node).await == before + 1).await;
    }

    pub(crate) async fn complete(&mut self, id: &str) {
        self.say(json!({ "type": "complete", "id": id })).await;
    }

    /// Runs a query or mutation and gives its response.
    pub(crate) async fn run(&mut self, id: &str, query: &str, variables: Value) -> Value {
        self.ask_with(id, query, variables).await;
        self.answered(id).await
    }

    /// The response to the operation `id`, which comes next: its result, then its end.
    pub(crate) async fn answered(&mut self, id: &str) -> Value {
        let next = self.hear().await;
        assert_eq!((&next["type"], &next["id"]), (&json!("next"), &json!(id)), "{next}");
        assert_eq!(self.hear().await, json!({ "type": "complete", "id": id }));
        next["payload"].clone()
    }

    /// What is told next to the subscription `id`.
    pub(crate) async fn told(&mut self, id: &str) -> Value {
        let next = self.hear().await;
        assert_eq!((&next["type"], &next["id"]), (&json!("next"), &json!(id)), "{next}");
        next["payload"]["data"].clone()
    }

    /// The errors with which the operation `id` ends, which comes next.
    pub(crate) async fn failed(&mut self, id: &str) -> Value {
        let error = self.hear().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!(id)), "{error}");
        error["payload"].clone()
    }

    /// The session still answers.
    pub(crate) async fn lives(&mut self) {
        self.say(json!({ "type": "ping", "payload": { "are": "you there" } })).await;
        let pong = json!({ "type": "pong", "payload": { "are": "you there" } });
        assert_eq!(self.hear().await, pong);
    }

    /// The code and reason with which the server closes, whatever it sends before, and the end of the connection.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        let close = loop {
            match self.receive().await {
                Received::Close(code, reason) => break (code.unwrap(), reason),
                Received::End => panic!("the connection ended without a close frame"),
                Received::Text(_) | Received::Ping(_) | Received::Pong(_) => {}
            }
        };
        self.send_what_is_taken(&Frame::close(close.0, "").bytes()).await;
        assert_eq!(self.receive().await, Received::End);
        close
    }
}

/// The code of the only error in a list, as programs read it.
pub(crate) fn refused(errors: &Value) -> &str {
    assert_eq!(errors.as_array().map(Vec::len), Some(1), "{errors}");
    errors[0]["extensions"]["code"].as_str().unwrap()
}
