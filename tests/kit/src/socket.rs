//! A socket that speaks graphql-transport-ws and keeps everything it receives.
//!
//! A wait for a message of one operation leaves the messages of the others in the inbox.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use coscribe::domain::{DocumentId, SessionId};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    Answer, Client, Metrics,
    connection::{Close, Connection, Incoming, Stream},
    inbox::{Entry, Inbox},
    within,
};

/// One connection of a client. Dropping it breaks it off without a close frame.
pub struct Socket {
    /// The payload of the `connection_ack`; null before it arrives.
    ack: Value,
    address: SocketAddr,
    connection: Connection,
    inbox: Inbox,
    operations: AtomicU64,
}

impl Socket {
    /// Wraps a connection that was just opened.
    pub(crate) fn new(stream: Stream, address: SocketAddr) -> Self {
        let inbox = Inbox::default();
        let received = inbox.clone();
        let connection = Connection::new(stream, move |incoming| {
            match incoming {
                Incoming::Message(Message::Text(text)) => {
                    received.put(Entry::Message(serde_json::from_str(&text).unwrap()));
                }
                Incoming::Message(_) => {}
                Incoming::End(close) => received.put(Entry::Closed(close)),
            }
            None
        });
        Self { ack: Value::Null, address, connection, inbox, operations: AtomicU64::new(0) }
    }

    /// Sends `connection_init` with a token and waits for the ack. Returns its payload.
    pub async fn init(&mut self, token: &str) -> Value {
        self.send_init(token).await;
        self.expect_ack().await
    }

    /// Sends `connection_init` with a token and waits for the ack or a close frame.
    ///
    /// # Errors
    /// The code and reason of the close frame.
    pub(crate) async fn try_init(&mut self, token: &str) -> Result<(), Close> {
        self.send_init(token).await;
        let is_either = |entry: &Entry| entry.is("connection_ack") || entry.message().is_none();
        match self.inbox.take("an ack or a close frame", is_either).await {
            Entry::Message(mut message) => {
                self.ack = message["payload"].take();
                Ok(())
            }
            Entry::Closed(close) => Err(close.expect("a close frame")),
        }
    }

    /// Waits for the ack. Returns its payload.
    pub async fn expect_ack(&mut self) -> Value {
        let ack = self.inbox.take("connection_ack", |entry| entry.is("connection_ack")).await;
        self.ack = ack.into_message()["payload"].take();
        self.ack.clone()
    }

    /// The id of the session. Fails the test before the ack.
    #[must_use]
    pub fn session(&self) -> SessionId {
        self.ack["sessionId"].as_str().unwrap().parse().unwrap()
    }

    /// Sends a message.
    pub async fn send(&self, message: Value) {
        let frame = Message::text(message.to_string());
        within("sending a message", self.connection.send(frame)).await.unwrap();
    }

    /// Starts an operation under an id of the test's choice and does not wait.
    pub async fn start(&self, id: &str, operation: &str) {
        self.start_with(id, operation, json!({})).await;
    }

    /// Starts an operation with variables and does not wait.
    pub async fn start_with(&self, id: &str, operation: &str, variables: Value) {
        let payload = json!({ "query": operation, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload })).await;
    }

    /// Starts the subscription `field` of a document and does not wait. Returns its id.
    pub async fn start_subscription(&self, field: &str, document: DocumentId) -> String {
        let id = format!("{field} {}", self.operations.fetch_add(1, Ordering::Relaxed));
        let fields = event_fields(field);
        let operation =
            format!("subscription($id: ID!) {{ {field}(documentId: $id) {{ {fields} }} }}");
        self.start_with(&id, &operation, json!({ "id": document })).await;
        id
    }

    /// Subscribes to a document and waits until the seat is taken. Returns the id.
    ///
    /// The protocol does not acknowledge a subscription, so this waits for the node to count it. Nothing else may
    /// subscribe on the node at the same time. Events that arrive meanwhile stay in the inbox.
    pub async fn subscribe(&self, field: &str, document: DocumentId) -> String {
        let before = Metrics::of(self.address).await.subscriptions_started();
        let id = self.start_subscription(field, document).await;
        let started = async {
            while Metrics::of(self.address).await.subscriptions_started() == before {
                let refusal = self.inbox.take_now(|entry| entry.is_of(&id) && !entry.is("next"));
                assert!(refusal.is_none(), "{field} was refused: {refusal:?}");
            }
        };
        within("taking a seat", started).await;
        id
    }

    /// Ends an operation.
    pub async fn complete(&self, id: &str) {
        self.send(json!({ "type": "complete", "id": id })).await;
    }

    /// Waits for the next message of the operation `id`, which must be a result. Returns the value of its root field.
    pub async fn expect_next(&self, id: &str) -> Value {
        Answer::executed(self.expect_result(id).await).value()
    }

    /// Waits for the next message of the operation `id`, which must be a result. Returns the whole of it.
    pub async fn expect_result(&self, id: &str) -> Value {
        let mut message = self.expect_message_of(id).await;
        assert_eq!(message["type"], "next", "{message}");
        message["payload"].take()
    }

    /// Waits for the next message of the operation `id`, which must be an error.
    pub async fn expect_errors(&self, id: &str) -> Answer {
        let mut message = self.expect_message_of(id).await;
        assert_eq!(message["type"], "error", "{message}");
        Answer::refused(message["payload"].take())
    }

    /// Waits for the next message of the operation `id`, which must be one error. Returns its code.
    pub async fn expect_error(&self, id: &str) -> String {
        self.expect_errors(id).await.code().to_owned()
    }

    /// Waits for the results of the operation `id` until its error. Returns the values of their root fields and the code.
    pub async fn expect_results_until_error(&self, id: &str) -> (Vec<Value>, String) {
        let mut results = Vec::new();
        loop {
            let mut message = self.expect_message_of(id).await;
            match message["type"].as_str() {
                Some("next") => results.push(Answer::executed(message["payload"].take()).value()),
                Some("error") => {
                    let code = Answer::refused(message["payload"].take()).code().to_owned();
                    return (results, code);
                }
                _ => panic!("{message} is neither a result nor an error"),
            }
        }
    }

    /// Waits for the next message of the operation `id`, which must complete it.
    pub async fn expect_complete(&self, id: &str) {
        let message = self.expect_message_of(id).await;
        assert_eq!(message, json!({ "type": "complete", "id": id }));
    }

    /// Shows that the operation `id` was silent: its next event must be the marker, which was sent after everything
    /// that must not arrive.
    pub async fn expect_marker_next(&self, id: &str, is_marker: impl Fn(&Value) -> bool) {
        let event = self.expect_next(id).await;
        assert!(is_marker(&event), "{id} was not silent: {event:#}");
    }

    /// Waits for the server's close frame. Returns its code and reason. Earlier messages stay in the inbox.
    pub async fn expect_close(&self) -> (u16, String) {
        let entry = self.inbox.take("a close frame", |entry| entry.message().is_none()).await;
        let Entry::Closed(Some(close)) = entry else {
            panic!("the connection ended without a close frame")
        };
        close
    }

    /// The messages that arrived and that the test has not taken.
    #[must_use]
    pub fn unread(&self) -> Vec<Value> {
        self.inbox.messages()
    }

    /// Leaves everything that arrives from now on in the network.
    pub fn stop_reading(&self) {
        self.connection.stop_reading();
    }

    /// Reads again.
    pub fn resume_reading(&self) {
        self.connection.resume_reading();
    }

    /// Sends a close frame and waits for the server's.
    pub async fn close(self) {
        self.connection.send_close().await;
        assert_eq!(self.expect_close().await.0, 1000);
    }

    async fn send_init(&self, token: &str) {
        self.send(json!({ "type": "connection_init", "payload": { "authToken": token } })).await;
    }

    async fn expect_message_of(&self, id: &str) -> Value {
        self.inbox.take(id, |entry| entry.is_of(id)).await.into_message()
    }
}

impl Client for Socket {
    async fn run(&self, operation: &str, variables: Value) -> Answer {
        let id = format!("operation {}", self.operations.fetch_add(1, Ordering::Relaxed));
        self.start_with(&id, operation, variables).await;
        let mut answer = self.expect_message_of(&id).await;
        match answer["type"].as_str() {
            Some("next") => {
                self.expect_complete(&id).await;
                Answer::executed(answer["payload"].take())
            }
            Some("error") => Answer::refused(answer["payload"].take()),
            _ => panic!("{answer} is not an answer"),
        }
    }
}

/// Every field of an event of the subscription `field`.
fn event_fields(field: &str) -> &'static str {
    match field {
        "documentChanged" => {
            "documentId kind version title content sessionId changedAt author { id name } update
                delta { retain insert delete }"
        }
        "presenceUpdated" => {
            "documentId kind presence { documentId sessionId color joinedAt lastSeen user { id name }
                cursor { line column anchor { line column } } }"
        }
        "cursorMoved" => {
            "documentId sessionId color movedAt user { id name }
                cursor { line column anchor { line column } }"
        }
        "accessChanged" => "documentId access changedAt",
        _ => panic!("there is no subscription {field}"),
    }
}
