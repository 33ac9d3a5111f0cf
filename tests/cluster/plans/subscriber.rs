//! A subscriber that follows a document at whichever node is alive and always resumes at the version it has. If the database
//! has lost that version, it receives the whole text. It also follows presence and cursors, and moves its own.

use std::{cell::RefCell, net::SocketAddr, rc::Rc};

use coscribe::domain::{Content, Delta, DeltaStep, DocumentId};
use futures_util::{SinkExt as _, StreamExt as _};
use kit::Person;
use serde_json::{Value, json};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use super::{sites::LiveNodes, told::Told};

type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// The subscriptions: their ids are the names of their fields. The first one makes the session present, so presence is the
/// first.
const SUBSCRIPTIONS: [(&str, &str); 3] = [
    (
        "presenceUpdated",
        "subscription ($id: ID!) {
            presenceUpdated(documentId: $id) { kind presence { sessionId } } }",
    ),
    ("cursorMoved", "subscription ($id: ID!) { cursorMoved(documentId: $id) { sessionId } }"),
    // At version 0 it receives the whole text first; later it resumes at its version.
    (
        "documentChanged",
        "subscription ($id: ID!, $since: Int!, $at: DateTime) {
            documentChanged(documentId: $id, since: $since, sinceAt: $at) {
                kind version changedAt content delta { retain insert delete } } }",
    ),
];

/// The text that a subscriber has, and its version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Shown {
    pub(super) version: i64,
    pub(super) text: String,
}

#[derive(Default)]
struct Copy {
    version: i64,
    /// When the version was stored.
    at: Value,
    content: Content,
    session: Value,
    /// What it was told since it connected.
    told: Told,
    /// Whether the database may lose changes.
    may_lose: bool,
}

/// A subscriber. Dropping the value ends the connection.
pub(super) struct Subscriber {
    copy: Rc<RefCell<Copy>>,
    /// The lines to which it moves its cursor.
    lines: mpsc::UnboundedSender<usize>,
    task: JoinHandle<()>,
}

impl Subscriber {
    /// Subscribes to `document` at a live node, and at another when the connection ends.
    /// With `may_lose` it may receive the whole text at any time.
    pub(super) fn start(
        document: DocumentId,
        person: &Person,
        nodes: LiveNodes,
        may_lose: bool,
    ) -> Self {
        let copy = Rc::new(RefCell::new(Copy { may_lose, ..Copy::default() }));
        let (own, token) = (Rc::clone(&copy), person.token.clone());
        let (lines, mut moves) = mpsc::unbounded_channel();
        let task = tokio::task::spawn_local(async move {
            for attempt in 0_usize.. {
                tokio::task::yield_now().await;
                if let Some(address) = nodes.choose(attempt) {
                    // Whatever ended the connection, the next attempt is at another node.
                    if let Some(socket) = connect(address, &token).await {
                        follow(socket, document, &own, &mut moves).await;
                    }
                    let mut own = own.borrow_mut();
                    own.session = Value::Null;
                    own.told = Told::default();
                }
            }
        });
        Self { copy, lines, task }
    }

    pub(super) fn shown(&self) -> Shown {
        let copy = self.copy.borrow();
        Shown { version: copy.version, text: copy.content.to_string() }
    }

    /// The id of the current session; null while there is none.
    pub(super) fn session(&self) -> Value {
        self.copy.borrow().session.clone()
    }

    /// Moves its cursor to a line, as soon as it is connected.
    pub(super) fn move_cursor(&self, line: usize) {
        self.lines.send(line).unwrap();
    }

    /// Whether what it was told fulfils a condition.
    pub(super) fn is_told(&self, condition: impl FnOnce(&Told) -> bool) -> bool {
        condition(&self.copy.borrow().told)
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        // It ends only by a panic, which a plan would not notice.
        assert!(!self.task.is_finished() || std::thread::panicking(), "a broken rule, see above");
        self.task.abort();
    }
}

/// Connects to a node. `None` if that fails.
async fn connect(address: SocketAddr, token: &str) -> Option<Socket> {
    let mut request = format!("ws://{address}/graphql").into_client_request().ok()?;
    let protocol = "graphql-transport-ws".parse().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
    let (mut socket, _response) = connect_async(request).await.ok()?;
    let init = json!({ "type": "connection_init", "payload": { "authToken": token } });
    socket.send(Message::text(init.to_string())).await.ok()?;
    Some(socket)
}

/// Follows the document until the connection or a subscription ends, and returns `None`.
async fn follow(
    mut socket: Socket,
    document: DocumentId,
    copy: &RefCell<Copy>,
    moves: &mut mpsc::UnboundedReceiver<usize>,
) -> Option<()> {
    let mut sent_moves = 0;
    loop {
        let is_admitted = !copy.borrow().session.is_null();
        tokio::select! {
            frame = socket.next() => {
                let Message::Text(text) = frame?.ok()? else { continue };
                receive(serde_json::from_str(&text).unwrap(), &mut socket, document, copy).await?;
            }
            Some(line) = moves.recv(), if is_admitted => {
                sent_moves += 1;
                let operation = "mutation ($id: ID!, $line: Int!) {
                    updateCursor(documentId: $id, cursor: { line: $line, column: 1 }) }";
                let variables = json!({ "id": document, "line": line });
                start(&mut socket, &format!("move {sent_moves}"), operation, variables).await?;
            }
        }
    }
}

/// Starts an operation. `None` if the connection has ended.
async fn start(socket: &mut Socket, id: &str, operation: &str, variables: Value) -> Option<()> {
    let payload = json!({ "query": operation, "variables": variables });
    let subscribe = json!({ "type": "subscribe", "id": id, "payload": payload });
    socket.send(Message::text(subscribe.to_string())).await.ok()
}

/// Handles a message. `None` if the connection or a subscription has ended.
async fn receive(
    message: Value,
    socket: &mut Socket,
    document: DocumentId,
    copy: &RefCell<Copy>,
) -> Option<()> {
    let data = &message["payload"]["data"];
    match (message["type"].as_str().unwrap(), message["id"].as_str().unwrap_or_default()) {
        ("connection_ack", _) => {
            copy.borrow_mut().session = message["payload"]["sessionId"].clone();
            for (id, operation) in SUBSCRIPTIONS {
                let variables = {
                    let Copy { version, at, .. } = &*copy.borrow();
                    json!({ "id": document, "since": version, "at": at })
                };
                start(socket, id, operation, variables).await?;
            }
        }
        ("next", "documentChanged") => apply(&data["documentChanged"], copy),
        ("next", "presenceUpdated") => {
            copy.borrow_mut().told.change_presence(&data["presenceUpdated"]);
        }
        ("next", "cursorMoved") => copy.borrow_mut().told.move_cursor(&data["cursorMoved"]),
        // A subscription ended or could not be started.
        ("error" | "complete", id) if SUBSCRIPTIONS.iter().any(|(known, _)| *known == id) => {
            return None;
        }
        // A move before the subscriptions were started is refused.
        _ => {}
    }
    Some(())
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
