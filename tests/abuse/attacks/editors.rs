//! Updates of Yjs editors that are expensive to merge, to load or to keep.

use std::time::Duration;

use coscribe::domain::DocumentId;
use kit::{Editor, new_doc, sync_message};
use serde_json::json;

use super::{Attacker, updates};

const READ: &str = "query($id: ID!) { document(id: $id) { content } }";

/// Opens a document of the attacker's without reading what is in it.
async fn open(attacker: &Attacker, document: DocumentId) -> Option<Editor> {
    attacker.person.connect_editor(document, new_doc(), "&saved=true").await.ok()
}

/// Sends an update and waits until it is stored, refused, or has had some seconds.
async fn send(attacker: &Attacker, editor: &Editor, update: &[u8]) {
    let before = editor.state();
    editor.try_send_update(update).await;
    let answered = editor.expect("an answer to an update", |state| {
        state.stored_updates.len() > before.stored_updates.len()
            || state.denials > before.denials
            || state.sync_requests > before.sync_requests
            || state.closed.is_some()
    });
    let Ok(state) = tokio::time::timeout(Duration::from_secs(8), answered).await else {
        return attacker.note("no answer to an update");
    };
    attacker.note(match (&state.closed, state.denials > before.denials) {
        (Some(_), _) => "editor closed",
        (None, true) => "update refused",
        (None, false) if state.stored_updates.len() > before.stored_updates.len() => {
            "update stored"
        }
        (None, false) => "update requested again",
    });
}

/// Sends updates to a new document, several times at once.
async fn send_all(attacker: Attacker, updates: impl Fn() -> Vec<Vec<u8>>) {
    let updates = updates();
    attacker
        .repeat(attacker.size(1, 4), async || {
            let document = attacker.create("").await;
            let Some(editor) = open(&attacker, document).await else {
                return attacker.note("not opened");
            };
            for update in &updates {
                send(&attacker, &editor, update).await;
            }
            attacker.ask(READ, json!({ "id": document })).await;
        })
        .await;
}

/// Inserts at one place as many clients, and again as as many others.
pub(super) async fn conflicts(attacker: Attacker) {
    let count = attacker.size(2_000, 100_000);
    send_all(attacker, || {
        [1_000_000_000, 2_000_000_000].map(|id| updates::insertions_of_clients(id, count)).to_vec()
    })
    .await;
}

/// The same conflicts with two clients only.
pub(super) async fn conflicts_of_two_clients(attacker: Attacker) {
    let letters = attacker.size(2_000, 40_000);
    send_all(attacker, || {
        vec![updates::backwards(letters), updates::between(letters, 0, letters - 1)]
    })
    .await;
}

/// The same conflicts in small pieces, each of which is quick, and then all at once by reading the document.
pub(super) async fn poisoned_documents(attacker: Attacker) {
    let (letters, piece) = (attacker.size(2_000, 60_000), 500);
    send_all(attacker, || {
        let pieces = (0..letters - piece).step_by(piece);
        let pieces = pieces.map(|from| updates::between(letters, from, piece));
        [updates::backwards(letters)].into_iter().chain(pieces).collect()
    })
    .await;
}

/// Deletes every other letter of a text in one update.
pub(super) async fn deleted_ranges(attacker: Attacker) {
    let ranges = attacker.size(10_000, 390_000);
    send_all(attacker, || {
        // The text has only some of the letters. The other ranges are of letters that may come.
        vec![updates::backwards(ranges.min(90_000)), updates::deletions(ranges)]
    })
    .await;
}

/// Fills a document with small structs.
pub(super) async fn map_entries(attacker: Attacker) {
    let (count, updates) = (attacker.size(10_000, 100_000), attacker.size(3, 35));
    send_all(attacker, || (0..updates).map(|n| updates::map_entries(n + 1, count)).collect()).await;
}

/// Adds as many clients to a document as it takes.
pub(super) async fn many_clients(attacker: Attacker) {
    let count = attacker.size(5_000, 100_000);
    send_all(attacker, || {
        [1_000_000, 2_000_000].map(|id| updates::deleted_structs_of_clients(id, count)).to_vec()
    })
    .await;
}

/// Asks for the whole document in which the bystander works, again and again.
pub(super) async fn sync_requests(attacker: Attacker) {
    attacker
        .repeat(attacker.size(2, 9), async || {
            let document = attacker.target.document;
            let Some(editor) = open(&attacker, document).await else {
                return attacker.note("not opened");
            };
            for _ in 0..200 {
                // An empty state vector.
                let before = editor.state().sync_replies;
                editor.send(&sync_message(&[0, 0], &[0])).await;
                editor
                    .expect("sync step 2", |state| {
                        state.sync_replies > before || state.closed.is_some()
                    })
                    .await;
                attacker.note("sync step 2");
            }
        })
        .await;
}
