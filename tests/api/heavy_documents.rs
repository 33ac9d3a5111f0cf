//! Documents that are too heavy to be opened.

use std::path::Path;

use coscribe::domain::DocumentId;
use kit::{Client as _, Editor, Metrics, Node as _, NodeProcess, Pair, Person, new_doc};
use serde_json::json;
use yrs::{ReadTxn as _, Transact as _};

use crate::SERVER;

const CONTENT: &str = "query($id: ID!) { document(id: $id) { content } }";
const INSERT: &str = "mutation($id: ID!, $base: Int!, $text: String!) {
    editDocument(documentId: $id, baseVersion: $base, delta: [{ insert: $text }]) { version } }";

/// With these limits, a document of more than 200 structs is not opened.
const SMALL_LIMITS: [(&str, &str); 1] = [("COSCRIBE__LIMITS__DOCUMENT_STRUCTS", "100")];

/// Inserts letters at the start of the text. Each is a struct of its own.
async fn insert_letters(editor: &Editor, letters: usize) {
    let before = editor.doc.transact().state_vector();
    for _ in 0..letters {
        editor.insert_unsent(0, "x");
    }
    let update = editor.doc.transact().encode_state_as_update_v1(&before);
    editor.send_update(&update).await;
}

/// A server that was started again with small limits, and a document that is too heavy for them.
struct Heavy {
    server: NodeProcess,
    alice: Person,
    document: DocumentId,
    light: DocumentId,
}

async fn heavy(folder: &Path) -> Heavy {
    let server = SERVER.start(folder, &[]).await;
    let alice = server.person("Alice").await;
    let document = alice.create_document("Heavy", "end").await;
    let light = alice.create_document("Light", "text").await;
    let editor = alice.open_editor_with_receipts(document).await;
    insert_letters(&editor, 300).await;
    assert_eq!(editor.expect_saved().await, 2);
    editor.close().await;
    server.terminate().await;
    let server = SERVER.start(folder, &SMALL_LIMITS).await;
    let alice = alice.at(&server);
    Heavy { server, alice, document, light }
}

#[actix_web::test]
async fn a_document_that_is_too_heavy_is_closed_off_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let Heavy { server, alice, document, light } = heavy(folder.path()).await;

    for _ in 0..2 {
        let answer = alice.run(CONTENT, json!({ "id": document })).await;
        assert_eq!(answer.code(), "UNAVAILABLE");
        let message = answer.error()["message"].as_str().unwrap();
        assert!(message.contains("compact"), "{message}");
        let edit = json!({ "id": document, "base": 2, "text": "!" });
        assert_eq!(alice.run(INSERT, edit).await.code(), "UNAVAILABLE");
        let editor = alice.connect_editor(document, new_doc(), "").await.unwrap();
        editor.send_sync_step_1().await;
        let (code, reason) = editor.expect_close().await;
        assert_eq!(code, 4413);
        assert!(reason.contains("compact"), "{reason}");
    }
    let closed_off = Metrics::of(server.address()).await;
    assert_eq!(closed_off.value("coscribe_documents_closed_off_total"), 1);
    // Others are not concerned.
    let edit = json!({ "id": light, "base": 1, "text": "! " });
    alice.run(INSERT, edit).await.value();
    assert_eq!(alice.read(light).await["content"], "! text");
    server.terminate().await;
}

#[actix_web::test]
async fn a_change_that_adds_too_many_structs_is_refused_and_the_session_stays() {
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__DOCUMENT_STRUCTS", "100")]).await;
    let editor = pair.bob.open_editor(pair.document).await;
    insert_letters(&editor, 101).await;
    let state = editor.expect("a denial", |state| state.denials == 1).await;
    assert!(state.denial.unwrap().contains("100 structs"));
    // GraphQL edits count as well.
    let mut letters = 0;
    let refused = loop {
        let edit = json!({ "id": pair.document, "base": 1 + letters, "text": "x" });
        let answer = pair.alice.run(INSERT, edit).await;
        if !answer.is_ok() {
            break answer;
        }
        letters += 1;
    };
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert!((90..=100).contains(&letters), "{letters}");
    // What others write still arrives, and deletions are accepted.
    editor.expect("the last letter", |state| state.updates.len() >= letters).await;
    let shorter = "mutation($id: ID!, $base: Int!) {
        editDocument(documentId: $id, baseVersion: $base, delta: [{ delete: 50 }]) { version } }";
    let edit = json!({ "id": pair.document, "base": 1 + letters });
    pair.alice.run(shorter, edit).await.value();
    pair.stop(editor).await;
}

#[actix_web::test]
async fn a_replica_gives_way_while_its_editors_stay() {
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__REPLICAS_OF_NODE", "1")]).await;
    let alices = pair.alice.open_editor_with_receipts(pair.document).await;
    let bobs = pair.bob.open_editor(pair.document).await;
    for letter in 0..5 {
        alices.insert(0, "x").await;
        assert_eq!(alices.expect_saved().await, letter + 2);
    }
    bobs.expect_text("xxxxxWelcome.").await;
    assert_eq!(pair.alice.read(pair.document).await["content"], "xxxxxWelcome.");
    pair.stop((alices, bobs)).await;
}
