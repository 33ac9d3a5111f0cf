//! A subscriber that follows a document at whichever node is alive and always resumes at the version it has. If the database
//! has lost that version, it receives the whole text.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use coscribe::domain::{Content, Delta, DeltaStep, DocumentId};
use futures_util::{SinkExt as _, StreamExt as _};
use kit::Person;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::plans::LiveNodes;

/// The text that a subscriber has, and its version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    pub(crate) version: i64,
    pub(crate) text: String,
}

#[derive(Default)]
struct Copy {
    version: i64,
    /// When the version was stored.
    at: Value,
    content: Content,
    session: Value,
    /// Whether the database may lose changes.
    may_lose: bool,
}

/// A subscriber. Dropping the value ends the connection.
pub(crate) struct Subscriber {
    copy: Rc<RefCell<Copy>>,
    task: JoinHandle<()>,
}

impl Subscriber {
    /// Subscribes to `document` at a live node, and at another when the connection ends.
    /// With `may_lose` it may receive the whole text at any time.
    pub(crate) fn start(
        document: DocumentId,
        person: &Person,
        nodes: LiveNodes,
        may_lose: bool,
    ) -> Self {
        let copy = Rc::new(RefCell::new(Copy { may_lose, ..Copy::default() }));
        let (own, token) = (Rc::clone(&copy), person.token.clone());
        let task = tokio::task::spawn_local(async move {
            for attempt in 0_usize.. {
                tokio::task::yield_now().await;
                if let Some(address) = nodes.choose(attempt) {
                    // Whatever ended the connection, the next attempt is at another node.
                    follow(address, document, &token, &own).await;
                    own.borrow_mut().session = Value::Null;
                }
            }
        });
        Self { copy, task }
    }

    pub(crate) fn shown(&self) -> Shown {
        let copy = self.copy.borrow();
        Shown { version: copy.version, text: copy.content.to_string() }
    }

    /// The id of the current session; null while there is none.
    pub(crate) fn session(&self) -> Value {
        self.copy.borrow().session.clone()
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Follows the document until the connection or the subscription ends, and returns `None`.
async fn follow(
    address: SocketAddr,
    document: DocumentId,
    token: &str,
    copy: &RefCell<Copy>,
) -> Option<()> {
    let mut request = format!("ws://{address}/graphql").into_client_request().ok()?;
    let protocol = "graphql-transport-ws".parse().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
    let (mut socket, _response) = connect_async(request).await.ok()?;
    let init = json!({ "type": "connection_init", "payload": { "authToken": token } });
    socket.send(Message::text(init.to_string())).await.ok()?;
    while let Some(Ok(frame)) = socket.next().await {
        let Message::Text(text) = frame else { continue };
        let message: Value = serde_json::from_str(&text).unwrap();
        match message["type"].as_str().unwrap() {
            "connection_ack" => {
                copy.borrow_mut().session = message["payload"]["sessionId"].clone();
                // At version 0 it receives the whole text first; later it resumes at its version.
                let operation = "subscription ($id: ID!, $since: Int!, $at: DateTime) {
                    documentChanged(documentId: $id, since: $since, sinceAt: $at) {
                        kind version changedAt content delta { retain insert delete } } }";
                let variables = {
                    let Copy { version, at, .. } = &*copy.borrow();
                    json!({ "id": document, "since": version, "at": at })
                };
                let payload = json!({ "query": operation, "variables": variables });
                let subscribe = json!({ "type": "subscribe", "id": "r", "payload": payload });
                socket.send(Message::text(subscribe.to_string())).await.ok()?;
            }
            "next" => apply(&message["payload"]["data"]["documentChanged"], copy),
            // The subscription ended or could not be started.
            "error" | "complete" => return None,
            _ => {}
        }
    }
    None
}

fn apply(change: &Value, copy: &RefCell<Copy>) {
    let mut copy = copy.borrow_mut();
    let version = change["version"].as_i64().unwrap();
    copy.at = change["changedAt"].clone();
    if change["kind"] == "RESYNC" {
        assert!(
            copy.version == 0 || copy.may_lose,
            "only a new subscriber receives the whole text"
        );
        copy.content = change["content"].as_str().unwrap().into();
        copy.version = version;
        return;
    }
    assert_eq!(change["kind"], "EDITED", "{change}");
    assert_eq!(version, copy.version + 1, "no gap and no duplicate");
    let steps: Vec<DeltaStep> = serde_json::from_value(change["delta"].clone()).unwrap();
    let delta = Delta::from_steps(steps).unwrap();
    copy.content = copy.content.apply(&delta).unwrap();
    copy.version = version;
}
