//! Documents that are too heavy to be opened or cannot be read, those that have aged, and how they are compacted.

use std::path::Path;

use coscribe::{
    domain::DocumentId,
    editing::{Kept, compact},
};
use kit::{
    Client as _, Editor, Metrics, Node as _, NodeProcess, Pair, Person, expect_eventually, new_doc,
};
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::json;
use yrs::{ReadTxn as _, StateVector, Transact as _};

use crate::SERVER;

const JSON: &str = "query($id: ID!) { exportDocument(documentId: $id) { json } }";
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
    /// Everything that an editor of the document had.
    state: Vec<u8>,
}

async fn heavy(folder: &Path) -> Heavy {
    let server = SERVER.start(folder, &[]).await;
    let alice = server.person("Alice").await;
    let document = alice.create_document("Heavy", "end").await;
    let light = alice.create_document("Light", "text").await;
    let editor = alice.open_editor_with_receipts(document).await;
    insert_letters(&editor, 300).await;
    assert_eq!(editor.expect_saved().await, 2);
    let state = editor.doc.transact().encode_state_as_update_v1(&StateVector::default());
    editor.close().await;
    server.terminate().await;
    let server = SERVER.start(folder, &SMALL_LIMITS).await;
    let alice = alice.at(&server);
    Heavy { server, alice, document, light, state }
}

async fn run(folder: &Path, arguments: &[&str]) -> String {
    let output = SERVER.run(folder, arguments).await;
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[actix_web::test]
async fn a_document_that_is_too_heavy_is_closed_off_by_itself_until_it_is_compacted() {
    let folder = tempfile::tempdir().unwrap();
    let Heavy { server, alice, document, light, state } = heavy(folder.path()).await;

    for _ in 0..2 {
        // The text is kept beside the snapshot, so it needs no Yjs.
        let text = format!("{}end", "x".repeat(300));
        assert_eq!(alice.read(document).await["content"], *text);
        let answer = alice.run(JSON, json!({ "id": document })).await;
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

    // A server has the database.
    let id = document.to_string();
    assert!(!SERVER.run(folder.path(), &["compact", &id]).await.status.success());
    server.terminate().await;
    assert!(run(folder.path(), &["compact", &id]).await.contains("as version 3"));
    let server = SERVER.start(folder.path(), &SMALL_LIMITS).await;
    let alice = alice.at(&server);
    let text = format!("{}end", "x".repeat(300));
    assert_eq!(alice.read(document).await["content"], *text);
    // The text before the compaction is still too heavy.
    let edit = json!({ "id": document, "base": 2, "text": "! " });
    assert_eq!(alice.run(INSERT, edit).await.code(), "CONFLICT");
    let edit = json!({ "id": document, "base": 3, "text": "! " });
    alice.run(INSERT, edit).await.value();
    assert_eq!(alice.read(document).await["content"], *format!("! {text}"));
    // A page that has the old document is told to load the new one.
    let old = new_doc();
    let update = yrs::updates::decoder::Decode::decode_v1(&state).unwrap();
    old.transact_mut().apply_update(update).unwrap();
    let editor = alice.connect_editor(document, old, "").await.unwrap();
    editor.send_sync_step_1().await;
    assert_eq!(editor.expect_close().await.0, 4410);
    server.terminate().await;
}

#[actix_web::test]
async fn editors_of_a_document_that_cannot_be_read_do_not_come_back_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;
    let document = alice.create_document("Broken", "text").await;
    server.terminate().await;
    {
        let file = folder.path().join("data/coscribe.db");
        let database = Database::connect(format!("sqlite://{}", file.display())).await.unwrap();
        let id = document.to_string().replace('-', "");
        let broken = format!(
            "UPDATE document_snapshot SET state = x'ff' WHERE hex(document_id) = upper('{id}')"
        );
        assert_eq!(database.execute_unprepared(&broken).await.unwrap().rows_affected(), 1);
        database.close().await.unwrap();
    }
    let server = SERVER.start(folder.path(), &[]).await;
    let editor = alice.at(&server).connect_editor(document, new_doc(), "").await.unwrap();
    editor.send_sync_step_1().await;
    // Not one after which pages open all of their documents again.
    assert_eq!(editor.expect_close().await, (1011, "Internal server error".to_owned()));
    server.terminate().await;
}

#[actix_web::test]
async fn the_plain_text_can_be_kept_without_loading_the_yjs_state() {
    let folder = tempfile::tempdir().unwrap();
    let Heavy { server, alice, document, .. } = heavy(folder.path()).await;
    server.terminate().await;
    let unknown = SERVER.run(folder.path(), &["compact", &DocumentId::new().to_string()]).await;
    let error = String::from_utf8(unknown.stderr).unwrap();
    assert!(!unknown.status.success() && error.contains("no document"), "{error}");
    run(folder.path(), &["compact", "--text-only", &document.to_string()]).await;
    let server = SERVER.start(folder.path(), &SMALL_LIMITS).await;
    let content = alice.at(&server).read(document).await["content"].clone();
    assert_eq!(content, *format!("{}end", "x".repeat(300)));
    server.terminate().await;
}

#[actix_web::test]
async fn a_change_that_adds_too_many_structs_is_refused_and_the_session_stays() {
    let pair = Pair::start_with(&[
        ("COSCRIBE__LIMITS__DOCUMENT_STRUCTS", "100"),
        ("COSCRIBE__ROOM__COMPACT_AT", "0"),
    ])
    .await;
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
async fn a_document_that_has_aged_begins_a_new_history_when_it_is_closed() {
    let pair = Pair::start_with(&[
        ("COSCRIBE__LIMITS__DOCUMENT_STRUCTS", "100"),
        ("COSCRIBE__ROOM__LINGER", "1ms"),
    ])
    .await;
    let editor = pair.bob.open_editor_with_receipts(pair.document).await;
    for letter in 0..85 {
        editor.insert(0, "x").await;
        assert_eq!(editor.expect_saved().await, letter + 2);
    }
    let old = editor.doc.clone();
    editor.close().await;
    // The room compacts the document and closes, and until then nobody can open it.
    let text = format!("{}Welcome.", "x".repeat(85));
    let read = async || pair.alice.read(pair.document).await;
    expect_eventually("the compaction", async || read().await["version"] == 87).await;
    assert_eq!(read().await["content"], *text);
    let editor = pair.bob.connect_editor(pair.document, old, "").await.unwrap();
    editor.send_sync_step_1().await;
    assert_eq!(editor.expect_close().await.0, 4410);
    // There is room again.
    let editor = pair.bob.open_editor_with_receipts(pair.document).await;
    for letter in 0..20 {
        editor.insert(0, "y").await;
        assert_eq!(editor.expect_saved().await, letter + 88);
    }
    assert_eq!(read().await["content"], *format!("{}{text}", "y".repeat(20)));
    pair.stop(editor).await;
}

#[actix_web::test]
async fn an_open_document_follows_a_compaction() {
    let pair = Pair::start().await;
    let tab = pair.alice.open(pair.document).await;
    let editor = pair.bob.open_editor(pair.document).await;
    assert_eq!(tab.insert(pair.document, "My ").await, 2);
    editor.expect_text("My Welcome.").await;
    let compacted = compact(pair.node.store(), pair.document, Kept::Everything).await.unwrap();
    assert_eq!(compacted.version.number(), 3);

    // The room learns of it by its next commit.
    assert_eq!(tab.insert(pair.document, "> ").await, 4);
    let change = tab.expect_version(3).await;
    assert_eq!((&change["kind"], &change["content"]), (&json!("COMPACTED"), &json!("My Welcome.")));
    assert_eq!(editor.expect_close().await.0, 4410);
    let again = pair.bob.open_editor(pair.document).await;
    again.expect_text("My > Welcome.").await;
    again.insert(0, "Again: ").await;
    assert_eq!(tab.expect_version(5).await["content"], "Again: My > Welcome.");
    pair.stop((tab, editor, again)).await;
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
