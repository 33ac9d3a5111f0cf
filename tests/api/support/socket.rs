//! A socket that speaks graphql-transport-ws and keeps everything it hears.
//!
//! A task reads from the first frame on, so nothing is missed between two lines of a test. Whoever waits for a
//! message of one operation leaves those of the others where they are.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
};

use coscribe::domain::{DocumentId, SessionId};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{
    Answer, Client, http_client,
    inbox::{Heard, Inbox},
    line::{Came, Line, Stream},
    meters::Meters,
    within,
};

/// One connection of a client. Dropping it breaks the connection off without a goodbye.
pub(crate) struct Socket {
    /// The payload of the `connection_ack`; null before there was one.
    pub(crate) ack: Value,
    address: SocketAddr,
    line: Line,
    inbox: Inbox,
    operations: AtomicU64,
}

impl Socket {
    /// A socket that has just been opened.
    pub(super) fn new(stream: Stream, address: SocketAddr) -> Self {
        let inbox = Inbox::default();
        let heard = inbox.clone();
        let line = Line::new(stream, move |came| {
            match came {
                Came::Message(Message::Text(text)) => {
                    heard.put(Heard::Message(serde_json::from_str(&text).unwrap()));
                }
                Came::Message(_) => {}
                Came::End(goodbye) => heard.put(Heard::Closed(goodbye)),
            }
            None
        });
        Self { ack: Value::Null, address, line, inbox, operations: AtomicU64::new(0) }
    }

    /// Says who is there and waits to be admitted.
    pub(crate) async fn introduce(mut self, token: &str) -> Self {
        self.send(json!({ "type": "connection_init", "payload": { "authToken": token } })).await;
        self.expect_ack().await;
        self
    }

    /// The same, or the close frame that came instead.
    #[allow(dead_code, reason = "for tests/cluster")]
    pub(crate) async fn introduce_or_be_refused(
        mut self,
        token: &str,
    ) -> Result<Self, (u16, String)> {
        self.send(json!({ "type": "connection_init", "payload": { "authToken": token } })).await;
        let either = |heard: &Heard| heard.is("connection_ack") || heard.message().is_none();
        match self.inbox.take("an answer", either).await {
            Heard::Message(mut message) => {
                self.ack = message["payload"].take();
                Ok(self)
            }
            Heard::Closed(goodbye) => Err(goodbye.expect("a close frame")),
        }
    }

    /// Waits to be admitted.
    pub(crate) async fn expect_ack(&mut self) {
        let heard = self.inbox.take("connection_ack", |heard| heard.is("connection_ack")).await;
        self.ack = heard.into_message()["payload"].take();
    }

    /// The session, once it was admitted.
    pub(crate) fn session(&self) -> SessionId {
        self.ack["sessionId"].as_str().unwrap().parse().unwrap()
    }

    /// Sends a message.
    pub(crate) async fn send(&self, message: Value) {
        self.send_frame(Message::text(message.to_string())).await;
    }

    /// Sends a frame as it is.
    pub(crate) async fn send_frame(&self, frame: Message) {
        within("sending a frame", self.line.send(frame)).await.unwrap();
    }

    /// Starts an operation under an id of the test's choice; nothing is waited for.
    pub(crate) async fn start(&self, id: &str, operation: &str, variables: &Value) {
        let payload = json!({ "query": operation, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload })).await;
    }

    /// Starts the subscription `field` of a document; nothing is waited for. Its id is the answer.
    pub(crate) async fn begin(&self, field: &str, document: DocumentId) -> String {
        let id = format!("{field} {}", self.operations.fetch_add(1, Ordering::Relaxed));
        let operation =
            format!("subscription($id: ID!) {{ {field}(documentId: $id) {{ {} }} }}", all(field));
        self.start(&id, &operation, &json!({ "id": document })).await;
        id
    }

    /// Subscribes to a document and waits until the seat is taken.
    ///
    /// The protocol has no answer to that, and what is sent afterwards may be answered before. But the node counts
    /// subscriptions that began, and this test's node is its own. So seats are taken one after the other.
    pub(crate) async fn subscribe(&self, field: &str, document: DocumentId) -> String {
        let http = http_client();
        let before = Meters::of(&http, self.address).await.subscriptions_begun();
        let id = self.begin(field, document).await;
        let begun = async {
            while Meters::of(&http, self.address).await.subscriptions_begun() == before {
                let refused = self.inbox.take_now(|heard| heard.is_of(&id));
                assert!(refused.is_none(), "{field} was refused: {refused:?}");
            }
        };
        within("taking a seat", begun).await;
        id
    }

    /// Ends an operation.
    pub(crate) async fn complete(&self, id: &str) {
        self.send(json!({ "type": "complete", "id": id })).await;
    }

    /// The next message of the operation `id`, which must be a result: the value of its root field.
    pub(crate) async fn expect_next(&self, id: &str) -> Value {
        Answer::executed(self.expect_result(id).await).value()
    }

    /// The next message of the operation `id`, which must be a result: the whole of it.
    pub(crate) async fn expect_result(&self, id: &str) -> Value {
        let mut heard = self.next_of(id).await;
        assert_eq!(heard["type"], "next", "{heard}");
        heard["payload"].take()
    }

    /// The next message of the operation `id`, which must be an error.
    pub(crate) async fn expect_errors(&self, id: &str) -> Answer {
        let mut heard = self.next_of(id).await;
        assert_eq!(heard["type"], "error", "{heard}");
        Answer::refused(heard["payload"].take())
    }

    /// The next message of the operation `id`, which must be an error: its code.
    pub(crate) async fn expect_error(&self, id: &str) -> String {
        self.expect_errors(id).await.code().to_owned()
    }

    /// The next message of the operation `id`, which must be its end.
    pub(crate) async fn expect_complete(&self, id: &str) {
        let heard = self.next_of(id).await;
        assert_eq!(heard, json!({ "type": "complete", "id": id }));
    }

    /// Shows that nothing came on the operation `id`: the first thing that does is the marker, which was sent
    /// after whatever should have stayed silent.
    pub(crate) async fn expect_silence_until(&self, id: &str, marker: impl Fn(&Value) -> bool) {
        let heard = self.expect_next(id).await;
        assert!(marker(&heard), "{id} was not silent: {heard:#}");
    }

    /// The server's close frame: code and reason. What came before it may still wait.
    pub(crate) async fn expect_close(&self) -> (u16, String) {
        let heard = self.inbox.take("a close frame", |heard| heard.message().is_none()).await;
        let Heard::Closed(Some((code, reason))) = heard else {
            panic!("the connection ended without a close frame")
        };
        (code, reason)
    }

    /// Everything that was heard and nobody asked for.
    pub(crate) fn left_over(&self) -> Vec<Value> {
        self.inbox.messages()
    }

    /// From now on whatever comes stays in the network.
    pub(crate) fn stop_reading(&self) {
        self.line.stop_reading();
    }

    /// Reads on.
    pub(crate) fn read_on(&self) {
        self.line.read_on();
    }

    /// Says goodbye and waits for the server's.
    pub(crate) async fn close(self) {
        self.line.say_goodbye().await.unwrap();
        assert_eq!(self.expect_close().await.0, 1000);
    }

    async fn next_of(&self, id: &str) -> Value {
        self.inbox.take(id, |heard| heard.is_of(id)).await.into_message()
    }
}

impl Client for Socket {
    async fn run(&self, operation: &str, variables: Value) -> Answer {
        let id = format!("operation {}", self.operations.fetch_add(1, Ordering::Relaxed));
        self.start(&id, operation, &variables).await;
        let mut answer = self.next_of(&id).await;
        match answer["type"].as_str() {
            Some("next") => {
                self.expect_complete(&id).await;
                Answer::executed(answer["payload"].take())
            }
            Some("error") => Answer::refused(answer["payload"].take()),
            _ => panic!("{answer} is no answer"),
        }
    }
}

/// All that an event of the subscription `field` shows.
fn all(field: &str) -> &'static str {
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
        _ => panic!("there is no subscription {field}"),
    }
}
