//! Subscriptions that are expensive to render or to replay.

use std::time::Duration;

use coscribe::domain::DocumentId;
use kit::{Frame, Opcode, RawSocket, ServerFrame};
use serde_json::json;

use super::{Attacker, attacker::aliases};

const WRITE: &str =
    "mutation($id: ID!, $text: String!) { updateDocument(id: $id, content: $text) { version } }";

/// Waits for the next event or refusal, at most a few seconds.
async fn note_next(attacker: &Attacker, socket: &mut RawSocket) {
    let next = async {
        loop {
            match socket.expect_frame().await {
                ServerFrame::Text(text) if text.contains("\"error\"") => return "event refused",
                ServerFrame::Text(_) => return "event",
                ServerFrame::Ping(payload) => {
                    socket.send_frame(Frame::new(Opcode::Pong, payload)).await;
                }
                ServerFrame::Pong(_) => {}
                ServerFrame::Close(..) | ServerFrame::End => return "closed",
            }
        }
    };
    let outcome = tokio::time::timeout(Duration::from_secs(5), next).await;
    attacker.note(outcome.unwrap_or("no event"));
}

async fn copies_of(attacker: Attacker, selections: [String; 2]) {
    let document = attacker.create("").await;
    // A session receives the events that another session of the same user causes.
    let other = attacker.person.connect().await;
    let author = attacker.with_session(other.session());
    let mut texts =
        ["x", "y"].map(|x| x.repeat(attacker.size(60_000, 1_000_000))).into_iter().cycle();
    loop {
        let mut socket = attacker.person.connect_raw().await;
        for (id, selection) in selections.iter().enumerate() {
            let subscribe = format!(
                "subscription {{ documentChanged(documentId: \"{document}\") {{ {selection} }} }}"
            );
            socket.start(&id.to_string(), &subscribe).await;
        }
        author.ask(WRITE, json!({ "id": document, "text": texts.next() })).await;
        for _ in &selections {
            note_next(&attacker, &mut socket).await;
        }
    }
}

/// Selects the update of an event under many aliases.
pub(super) async fn update_copies(attacker: Attacker) {
    copies_of(attacker, [aliases(1_990, "update"), aliases(190, "update")]).await;
}

/// Selects the insertions of an event under many aliases.
pub(super) async fn delta_copies(attacker: Attacker) {
    let nested = format!("delta {{ {} }}", aliases(190, "insert"));
    copies_of(attacker, [nested, aliases(90, "delta { insert }")]).await;
}

/// Subscribes with expensive operations to the document in which the bystander works, and reads nothing.
pub(super) async fn viewer_renders(attacker: Attacker) {
    let document = attacker.target.document;
    let mut sockets = vec![];
    for _ in 0..attacker.size(2, 9) {
        let mut socket = attacker.person.connect_slow_raw().await;
        for number in 0..attacker.size(20, 128) {
            socket.start(&number.to_string(), &expensive(document, number)).await;
        }
        attacker.note("started");
        sockets.push(socket);
    }
    attacker
        .repeat(1, async || {
            attacker.ask("{ me { id } }", json!({})).await;
        })
        .await;
}

/// A different operation for each number: those of 960 and of 190 fields, of cursors and changes.
fn expensive(document: DocumentId, number: usize) -> String {
    let selection = match number % 4 {
        0 => ("cursorMoved", aliases(960, "user{id}")),
        1 => ("cursorMoved", aliases(90, "user{id}")),
        2 => ("documentChanged", aliases(39, "content")),
        _ => ("documentChanged", aliases(190, "title")),
    };
    let (field, selection) = selection;
    format!("subscription S{number} {{ {field}(documentId: \"{document}\") {{ {selection} }} }}")
}

/// Replays a long log again and again.
pub(super) async fn replays(attacker: Attacker) {
    let document = attacker.create("").await;
    let text = "x".repeat(attacker.size(2_000, 200_000));
    for number in 0..100 {
        attacker.ask(WRITE, json!({ "id": document, "text": format!("{number}{text}") })).await;
    }
    loop {
        let mut socket = attacker.person.connect_raw().await;
        for number in 0..attacker.size(8, 128) {
            let subscribe = format!(
                "subscription {{ documentChanged(documentId: \"{document}\", since: 1) {{ a{}: version }} }}",
                number % 8
            );
            socket.start(&number.to_string(), &subscribe).await;
        }
        for _ in 0..attacker.size(100, 10_000) {
            note_next(&attacker, &mut socket).await;
        }
    }
}
