//! The messages of the clients, encoded as frames, and how those of the server begin.

use coscribe::domain::DocumentId;
use kit::{Frame, Opcode, sync_message};

/// The header that asks for graphql-transport-ws.
pub(crate) const PROTOCOL: &str = "Sec-WebSocket-Protocol: graphql-transport-ws\r\n";

/// The answer to `connection_init`.
pub(crate) const ACK: &[u8] = br#"{"type":"connection_ack""#;
/// A mutation was carried out.
pub(crate) const MOVED: &[u8] =
    br#"{"id":"m","type":"next","payload":{"data":{"updateCursor":true}"#;
/// An edit was carried out.
pub(crate) const STORED: &[u8] = br#"{"id":"m","type":"next","payload":{"data":{"editDocument":"#;
/// The operation of a mutation has ended.
pub(crate) const DONE: &[u8] = br#"{"id":"m","type":"complete"}"#;
/// Another session's cursor moved.
pub(crate) const CURSOR: &[u8] = br#"{"id":"cursors","type":"next","payload":{"data":{"#;
/// A change of another session.
pub(crate) const CHANGE: &[u8] = br#"{"id":"changes","type":"next","payload":{"data":{"#;
/// Another session joined the document.
pub(crate) const JOINED: &[u8] =
    br#"{"id":"presence","type":"next","payload":{"data":{"presenceUpdated":{"kind":"JOINED""#;
/// Another session left the document.
pub(crate) const LEFT: &[u8] =
    br#"{"id":"presence","type":"next","payload":{"data":{"presenceUpdated":{"kind":"LEFT""#;

/// A Yjs update of another editor.
pub(crate) const UPDATE: &[u8] = &[0, 2];
/// The acknowledgement of a stored update.
pub(crate) const SAVED: &[u8] = &[100];

/// An empty state vector, and an empty update: no structs and no deletions.
const EMPTY_VECTOR: &[u8] = &[0];
const EMPTY_UPDATE: &[u8] = &[0, 0];

/// Returns `connection_init` with a token.
pub(crate) fn init(token: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"connection_init","payload":{{"authToken":"{token}"}}}}"#))
}

/// Returns the subscriptions of a page to everything about a document: `presence`, `changes` and `cursors`.
pub(crate) fn subscriptions(document: DocumentId) -> [Vec<u8>; 3] {
    let presence = "{kind presence{sessionId user{id name}}}";
    let changes = "{kind version delta{retain insert delete} sessionId}";
    let cursors = "{sessionId cursor{line column}}";
    [
        ("presence", format!("subscription($d:ID!){{presenceUpdated(documentId:$d){presence}}}")),
        ("changes", format!("subscription($d:ID!){{documentChanged(documentId:$d){changes}}}")),
        ("cursors", format!("subscription($d:ID!){{cursorMoved(documentId:$d){cursors}}}")),
    ]
    .map(|(id, query)| operation(id, &query, &format!(r#"{{"d":"{document}"}}"#)))
}

/// Returns the subscription `changes` that begins with the whole text of a document.
pub(crate) fn opening(document: DocumentId) -> Vec<u8> {
    let query =
        "subscription($d:ID!){documentChanged(documentId:$d,since:0){kind version content}}";
    operation("changes", query, &format!(r#"{{"d":"{document}"}}"#))
}

/// Returns the end of the subscription `changes`.
pub(crate) fn end_of_changes() -> Vec<u8> {
    text(r#"{"id":"changes","type":"complete"}"#)
}

/// Returns a move of the cursor to a column.
pub(crate) fn cursor(document: DocumentId, column: u32) -> Vec<u8> {
    let query = "mutation($d:ID!,$c:Int!){updateCursor(documentId:$d,cursor:{line:0,column:$c})}";
    operation("m", query, &format!(r#"{{"d":"{document}","c":{column}}}"#))
}

/// Returns an edit that inserts a word at the beginning, based on a version, which also numbers the edit.
pub(crate) fn edit(document: DocumentId, version: u32) -> Vec<u8> {
    let query = "mutation($d:ID!,$b:Int!,$s:[DeltaOpInput!]!,$m:ID!){editDocument(documentId:$d,\
                 baseVersion:$b,delta:$s,mutationId:$m){version}}";
    let delta = r#"[{"insert":"word "}]"#;
    let variables = format!(r#"{{"d":"{document}","b":{version},"s":{delta},"m":"{version}"}}"#);
    operation("m", query, &variables)
}

/// Returns the sync steps of an editor that has an empty document.
pub(crate) fn sync_steps() -> [Vec<u8>; 2] {
    [sync_message(&[0, 0], EMPTY_VECTOR), sync_message(&[0, 1], EMPTY_UPDATE)].map(binary)
}

/// Returns a Yjs update as a message.
pub(crate) fn update(update: &[u8]) -> Vec<u8> {
    binary(sync_message(UPDATE, update))
}

/// Returns a close frame.
pub(crate) fn close() -> Vec<u8> {
    Frame::close(1000, "").bytes()
}

/// Returns the message that starts an operation. The query has no characters that JSON escapes.
fn operation(id: &str, query: &str, variables: &str) -> Vec<u8> {
    text(&format!(
        r#"{{"id":"{id}","type":"subscribe","payload":{{"query":"{query}","variables":{variables}}}}}"#
    ))
}

fn text(message: &str) -> Vec<u8> {
    Frame::text(message).bytes()
}

fn binary(message: Vec<u8>) -> Vec<u8> {
    Frame::new(Opcode::Binary, message).bytes()
}
