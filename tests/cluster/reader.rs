//! Somebody who reads a document wherever he can, and always goes on where he was.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use coscribe::domain::{Content, Delta, DeltaStep, DocumentId};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

/// What a reader has in front of him.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Shown {
    pub(crate) version: i64,
    pub(crate) text: String,
}

#[derive(Default)]
struct Page {
    version: i64,
    content: Content,
    session: Value,
}

/// A reader. He goes with this value.
pub(crate) struct Reader {
    page: Rc<RefCell<Page>>,
    reading: tokio::task::JoinHandle<()>,
}

impl Reader {
    /// Reads `document` at one of the nodes that live, and at another when that ends.
    pub(crate) fn start(
        document: DocumentId,
        token: String,
        alive: Rc<RefCell<Vec<SocketAddr>>>,
    ) -> Self {
        let page = Rc::<RefCell<Page>>::default();
        let own = Rc::clone(&page);
        let reading = tokio::task::spawn_local(async move {
            for attempt in 0_usize.. {
                tokio::task::yield_now().await;
                let address = {
                    let alive = alive.borrow();
                    alive.get(attempt % alive.len().max(1)).copied()
                };
                if let Some(address) = address {
                    // Why it ended does not matter: he goes on somewhere else.
                    read(address, document, &token, &own).await;
                    own.borrow_mut().session = Value::Null;
                }
            }
        });
        Self { page, reading }
    }

    pub(crate) fn shown(&self) -> Shown {
        let page = self.page.borrow();
        Shown { version: page.version, text: page.content.to_string() }
    }

    /// The session that he reads with now.
    pub(crate) fn session(&self) -> Value {
        self.page.borrow().session.clone()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Reads until the connection ends; none when it did.
async fn read(
    address: SocketAddr,
    document: DocumentId,
    token: &str,
    page: &RefCell<Page>,
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
                page.borrow_mut().session = message["payload"]["sessionId"].clone();
                // He is given the whole text first, and goes on from where he was after that.
                let operation = "subscription ($id: ID!, $since: Int!) {
                    documentChanged(documentId: $id, since: $since) {
                        kind version content delta { retain insert delete } } }";
                let since = page.borrow().version;
                let variables = json!({ "id": document, "since": since });
                let payload = json!({ "query": operation, "variables": variables });
                let subscribe = json!({ "type": "subscribe", "id": "r", "payload": payload });
                socket.send(Message::text(subscribe.to_string())).await.ok()?;
            }
            "next" => take_in(&message["payload"]["data"]["documentChanged"], page),
            // The subscription ended, or could not be taken now: he comes back.
            "error" | "complete" => return None,
            _ => {}
        }
    }
    None
}

fn take_in(change: &Value, page: &RefCell<Page>) {
    let mut page = page.borrow_mut();
    let version = change["version"].as_i64().unwrap();
    if change["kind"] == "RESYNC" {
        assert_eq!(page.version, 0, "only who has nothing begins anew");
        page.content = change["content"].as_str().unwrap().into();
        page.version = version;
        return;
    }
    assert_eq!(change["kind"], "EDITED", "{change}");
    assert_eq!(version, page.version + 1, "neither hole nor double");
    let steps: Vec<DeltaStep> = serde_json::from_value(change["delta"].clone()).unwrap();
    let delta = Delta::from_steps(steps).unwrap();
    page.content = page.content.apply(&delta).unwrap();
    page.version = version;
}
