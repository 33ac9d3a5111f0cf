//! graphql-transport-ws on a raw socket: messages as JSON, in the order in which they arrive.
//!
//! A method that expects something of one operation fails the test if another message comes first.

use serde_json::{Value, json};

use crate::{Answer, Frame, Metrics, Opcode, RawSocket, ServerFrame, expect_eventually};

impl RawSocket {
    /// Sends `connection_init` with a token and waits for the ack. Returns its payload.
    pub async fn init(&mut self, token: &str) -> Value {
        self.send(json!({ "type": "connection_init", "payload": { "authToken": token } })).await;
        self.expect_ack().await
    }

    /// Waits for the ack, which must be the next message. Returns its payload.
    pub async fn expect_ack(&mut self) -> Value {
        let ack = self.expect_message().await;
        assert_eq!(ack["type"], "connection_ack");
        ack["payload"].clone()
    }

    /// Sends a message.
    pub async fn send(&mut self, message: Value) {
        self.send_frame(Frame::message(&message)).await;
    }

    /// Sends messages in one write, so that the node reads all of them before it has answered any.
    pub async fn send_together(&mut self, messages: &[Value]) {
        let bytes: Vec<u8> =
            messages.iter().flat_map(|message| Frame::message(message).bytes()).collect();
        self.send_bytes(&bytes).await;
    }

    /// Waits for the next message. Answers pings of the transport on the way.
    pub async fn expect_message(&mut self) -> Value {
        match self.expect_message_or_close().await {
            Ok(message) => message,
            Err(close) => panic!("received {close:?} instead of a message"),
        }
    }

    /// Waits for the next message, or for the close frame that the server sends instead.
    ///
    /// # Errors
    /// The code and reason of the close frame.
    pub async fn expect_message_or_close(&mut self) -> Result<Value, (u16, String)> {
        loop {
            match self.expect_frame().await {
                ServerFrame::Text(text) => return Ok(serde_json::from_str(&text).unwrap()),
                ServerFrame::Ping(payload) => {
                    self.send_frame(Frame::new(Opcode::Pong, payload)).await;
                }
                ServerFrame::Close(code, reason) => {
                    let code = code.unwrap();
                    self.try_send_bytes(&Frame::close(code, "").bytes()).await;
                    return Err((code, reason));
                }
                other => panic!("received {other:?} instead of a message"),
            }
        }
    }

    /// Starts an operation and does not wait.
    pub async fn start(&mut self, id: &str, operation: &str) {
        self.start_with(id, operation, json!({})).await;
    }

    /// Starts an operation with variables and does not wait.
    pub async fn start_with(&mut self, id: &str, operation: &str, variables: Value) {
        let mut message =
            json!({ "type": "subscribe", "id": id, "payload": { "query": operation } });
        // `json!` would copy them, and tests measure the memory of this process.
        message["payload"]["variables"] = variables;
        self.send(message).await;
    }

    /// Starts a subscription and waits until its seat is taken.
    ///
    /// The protocol does not acknowledge a subscription, so this waits for the node to count it. Nothing else may
    /// subscribe on the node at the same time.
    pub async fn subscribe(&mut self, id: &str, subscription: &str) {
        let node = self.node_address();
        let before = Metrics::of(node).await.subscriptions_started();
        self.start(id, subscription).await;
        let has_started = async || Metrics::of(node).await.subscriptions_started() > before;
        expect_eventually("taking a seat", has_started).await;
    }

    /// Ends an operation.
    pub async fn complete(&mut self, id: &str) {
        self.send(json!({ "type": "complete", "id": id })).await;
    }

    /// Runs a query or mutation and waits for its result.
    pub async fn run(&mut self, id: &str, operation: &str, variables: Value) -> Value {
        self.start_with(id, operation, variables).await;
        self.expect_answer(id).await
    }

    /// Waits for the result and the completion of the operation `id`, which must be the next two messages. Returns the
    /// result.
    pub async fn expect_answer(&mut self, id: &str) -> Value {
        let result = self.expect_result(id).await;
        self.expect_complete(id).await;
        result
    }

    /// Waits for a result of the operation `id`, which must be the next message. Returns the value of its root field.
    pub async fn expect_next(&mut self, id: &str) -> Value {
        Answer::executed(self.expect_result(id).await).value()
    }

    /// Waits for a result of the operation `id`, which must be the next message. Returns the whole of it.
    pub async fn expect_result(&mut self, id: &str) -> Value {
        let next = self.expect_message().await;
        assert_eq!((&next["type"], &next["id"]), (&json!("next"), &json!(id)), "{next}");
        next["payload"].clone()
    }

    /// Waits for the completion of the operation `id`, which must be the next message.
    pub async fn expect_complete(&mut self, id: &str) {
        assert_eq!(self.expect_message().await, json!({ "type": "complete", "id": id }));
    }

    /// Waits for the errors of the operation `id`, which must be the next message.
    pub async fn expect_errors(&mut self, id: &str) -> Answer {
        let error = self.expect_message().await;
        assert_eq!((&error["type"], &error["id"]), (&json!("error"), &json!(id)), "{error}");
        Answer::refused(error["payload"].clone())
    }

    /// Waits for the only error of the operation `id`, which must be the next message. Returns its code.
    pub async fn expect_error(&mut self, id: &str) -> String {
        self.expect_errors(id).await.code().to_owned()
    }

    /// Shows that the session still answers, and that no other message is on its way.
    pub async fn expect_alive(&mut self) {
        self.send(json!({ "type": "ping", "payload": { "are": "you there" } })).await;
        let pong = json!({ "type": "pong", "payload": { "are": "you there" } });
        assert_eq!(self.expect_message().await, pong);
    }

    /// Waits for the server's close frame, skipping what comes before it, answers it, and waits for the end of the
    /// connection. Returns the code and reason.
    pub async fn expect_close(&mut self) -> (u16, String) {
        let close = loop {
            match self.expect_frame().await {
                ServerFrame::Close(code, reason) => break (code.unwrap(), reason),
                ServerFrame::End => panic!("the connection ended without a close frame"),
                ServerFrame::Text(_) | ServerFrame::Ping(_) | ServerFrame::Pong(_) => {}
            }
        };
        self.try_send_bytes(&Frame::close(close.0, "").bytes()).await;
        assert_eq!(self.expect_frame().await, ServerFrame::End);
        close
    }
}
