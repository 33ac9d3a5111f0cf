//! Documents of other servers: `coscribe import`, and large documents that a program sends in parts.

use std::{fs, path::Path, process::Output};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use coscribe::domain::DocumentId;
use kit::{Client as _, Node as _, Person, TestDatabase};
use sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection,
    sqlx::sqlite::SqliteConnectOptions,
};
use serde_json::{Value, json};
use yrs::{
    Doc, ReadTxn as _, StateVector, Text as _, Transact as _, XmlElementPrelim, XmlFragment as _,
};

use crate::SERVER;

/// The signing secret of a node with PostgreSQL.
const SECRET: &str = "a-secret-for-the-tests-of-the-import-0123456789";

/// A document of another server, with a text and a paragraph of a rich text editor.
fn foreign(text: &str) -> Doc {
    let doc = Doc::with_client_id(11_u64);
    let (content, body) =
        (doc.get_or_insert_text("content"), doc.get_or_insert_xml_fragment("default"));
    let mut txn = doc.transact_mut();
    content.insert(&mut txn, 0, text);
    body.insert(&mut txn, 0, XmlElementPrelim::empty("paragraph"));
    drop(txn);
    doc
}

fn state(doc: &Doc) -> Vec<u8> {
    doc.transact().encode_state_as_update_v1(&StateVector::default())
}

/// A document with a struct for each letter.
fn many_structs(letters: u32) -> Doc {
    let doc = Doc::with_client_id(12_u64);
    let text = doc.get_or_insert_text("content");
    for _letter in 0..letters {
        text.insert(&mut doc.transact_mut(), 0, "x");
    }
    doc
}

async fn read(person: &Person, key: &str) -> Value {
    let query = "query($id: ID!) { document(id: $id) { key title content version } }";
    person.run(query, json!({ "id": key })).await.value()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Imports a folder for Alice. Returns what was printed.
async fn import(folder: &Path, from: &Path, more: &[&str]) -> Output {
    let from = from.to_str().unwrap();
    let arguments = ["import", "folder", from, "--owner", "alice@example.org"];
    SERVER.run(folder, &[&arguments[..], more].concat()).await
}

#[actix_web::test]
async fn files_become_documents_with_their_names_as_keys() {
    let folder = tempfile::tempdir().unwrap();
    let from = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;
    let write = |name: &str, bytes: &[u8]| fs::write(from.path().join(name), bytes).unwrap();
    let plan = foreign("Hello");
    write("wiki%2Fplan.yjs", &state(&plan));
    write("empty.bin", &[0, 0]);
    write("broken.yjs", b"no update");
    write("not a key.yjs", &[0, 0]);
    write("0190f3f1-0000-7000-8000-000000000000.yjs", &[0, 0]);

    let dry = import(folder.path(), from.path(), &["--dry-run"]).await;
    assert!(!dry.status.success());
    let lines = printed(&dry);
    assert!(lines.contains("wiki/plan: would be imported, "), "{lines}");
    assert_eq!(read(&alice, "wiki/plan").await, Value::Null);

    // Beside the server.
    let output = import(folder.path(), from.path(), &[]).await;
    let lines = printed(&output);
    assert!(!output.status.success(), "{lines}");
    for expected in [
        "wiki/plan: imported as ",
        "empty: imported as ",
        "broken: failed: it is not a Yjs v1 update",
        "not a key: failed: The key is not",
        "0190f3f1-0000-7000-8000-000000000000: failed: The key is a UUID",
        "2 imported, 0 updated, 0 unchanged, 0 skipped, 3 failed",
    ] {
        assert!(lines.contains(expected), "{expected} in\n{lines}");
    }
    let expected =
        json!({ "key": "wiki/plan", "title": "wiki/plan", "content": "Hello", "version": 1 });
    assert_eq!(read(&alice, "wiki/plan").await, expected);
    let exported = "query($id: ID!) { exportDocument(documentId: $id) { json } }";
    let exported = alice.run(exported, json!({ "id": "wiki/plan" })).await.value();
    assert!(exported["json"].as_str().unwrap().contains("paragraph"), "{exported}");

    // A later state is merged when that is wanted, while no server uses the SQLite file.
    for name in ["broken.yjs", "not a key.yjs", "0190f3f1-0000-7000-8000-000000000000.yjs"] {
        fs::remove_file(from.path().join(name)).unwrap();
    }
    let content = plan.get_or_insert_text("content");
    content.insert(&mut plan.transact_mut(), 5, " world");
    write("wiki%2Fplan.yjs", &state(&plan));
    let skipped = import(folder.path(), from.path(), &[]).await;
    assert!(skipped.status.success());
    assert!(printed(&skipped).contains("2 skipped, 0 failed"), "{}", printed(&skipped));
    let refused = import(folder.path(), from.path(), &["--update"]).await;
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("Another coscribe serves the database"), "{error}");
    server.terminate().await;
    let updated = import(folder.path(), from.path(), &["--update"]).await;
    let lines = printed(&updated);
    assert!(updated.status.success(), "{lines}");
    assert!(lines.contains("wiki/plan: updated to version 2"), "{lines}");
    assert!(lines.contains("empty: unchanged"), "{lines}");

    let server = SERVER.start(folder.path(), &[]).await;
    let alice = alice.at(&server);
    let document = read(&alice, "wiki/plan").await;
    assert_eq!((&document["content"], &document["version"]), (&json!("Hello world"), &json!(2)));
    // Editors of the other server go on with the copy that they have.
    let query = "mutation($id: ID!, $update: Bytes!) {
        applyUpdate(documentId: $id, update: $update) { version } }";
    content.insert(&mut plan.transact_mut(), 11, "!");
    let update = STANDARD.encode(state(&plan));
    alice.run(query, json!({ "id": "wiki/plan", "update": update })).await.value();
    assert_eq!(read(&alice, "wiki/plan").await["content"], "Hello world!");
    server.terminate().await;
}

#[actix_web::test]
async fn a_dry_run_finds_states_with_the_same_key_and_quotas() {
    let quota = [("COSCRIBE__LIMITS__DOCUMENTS_PER_USER", "1")];
    let folder = tempfile::tempdir().unwrap();
    let from = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &quota).await;
    let _alice = server.person("Alice").await;
    server.terminate().await;
    let write = |name: &str| fs::write(from.path().join(name), state(&foreign("Hello"))).unwrap();
    write("plan.yjs");
    write("plan.bin");
    let path = from.path().to_str().unwrap();
    let import = async |more: &[&str]| {
        let arguments = ["import", "folder", path, "--owner", "alice@example.org"];
        let mut command = SERVER.command(folder.path());
        let output = command.args(arguments).args(more).envs(quota).output().await.unwrap();
        assert!(!output.status.success(), "{}", printed(&output));
        printed(&output)
    };
    let same_key = "plan: failed: another state of this run has the same key";

    let lines = import(&["--dry-run"]).await;
    assert!(lines.contains(same_key), "{lines}");
    assert!(
        lines.contains("1 would be imported, 0 would be updated, 0 unchanged, 0 skipped, 1 failed"),
        "{lines}"
    );
    write("second.yjs");
    let lines = import(&["--dry-run"]).await;
    assert!(lines.contains("second: failed: You own 1 documents"), "{lines}");

    let lines = import(&[]).await;
    assert!(lines.contains("1 imported, 0 updated, 0 unchanged, 0 skipped, 2 failed"), "{lines}");
    // The second state of the same key is not merged into the first either.
    let lines = import(&["--update"]).await;
    assert!(lines.contains(same_key), "{lines}");
    assert!(lines.contains("plan: unchanged"), "{lines}");
}

#[actix_web::test]
async fn names_that_cannot_be_keys_are_given_some() {
    let folder = tempfile::tempdir().unwrap();
    let from = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;
    for name in ["My notes.YJS", "plan.yjs", "readme.txt"] {
        fs::write(from.path().join(name), state(&many_structs(2))).unwrap();
    }
    let refused = import(folder.path(), from.path(), &["--dry-run"]).await;
    let lines = printed(&refused);
    assert!(lines.contains("My notes: failed: The key is not"), "{lines}");
    assert!(lines.contains("the file of --keys"), "{lines}");
    assert!(lines.contains("(1 in the folder)"), "{lines}");

    let keys = folder.path().join("keys.json");
    fs::write(&keys, r#"{ "My notes": "notes/1", "Gone": "gone" }"#).unwrap();
    let keys = keys.to_str().unwrap();
    let imported = import(folder.path(), from.path(), &["--keys", keys]).await;
    assert!(imported.status.success(), "{}", printed(&imported));
    assert!(printed(&imported).contains("Gone: no state has this name"), "{}", printed(&imported));
    for key in ["notes/1", "plan"] {
        assert_eq!(read(&alice, key).await["content"], "xx");
    }
    fs::write(keys, "[]").unwrap();
    let refused = import(folder.path(), from.path(), &["--keys", keys]).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("no JSON object of names"), "{told}");
    // Another user may not change what Alice owns, and a dry run says so.
    server.person("Bob").await;
    let path = from.path().to_str().unwrap();
    server.terminate().await;
    fs::write(from.path().join("plan.yjs"), state(&many_structs(3))).unwrap();
    let arguments =
        ["import", "folder", path, "--owner", "bob@example.org", "--update", "--dry-run"];
    let refused = SERVER.command(folder.path()).args(arguments).output().await.unwrap();
    let lines = printed(&refused);
    assert!(lines.contains("plan: failed: the owner given may not edit"), "{lines}");
}

#[actix_web::test]
async fn a_document_that_was_compacted_since_its_import_does_not_get_its_content_twice() {
    let folder = tempfile::tempdir().unwrap();
    let from = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;
    fs::write(from.path().join("plan.yjs"), state(&many_structs(5))).unwrap();
    let imported = import(folder.path(), from.path(), &[]).await;
    assert!(imported.status.success(), "{}", printed(&imported));
    let query = "query($id: ID!) { document(id: $id) { id } }";
    let document = alice.run(query, json!({ "id": "plan" })).await.value();
    let id = document["id"].as_str().unwrap();
    server.terminate().await;
    let compacted = SERVER.run(folder.path(), &["compact", id]).await;
    assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));

    for more in [&["--update", "--dry-run"][..], &["--update"]] {
        let refused = import(folder.path(), from.path(), more).await;
        let lines = printed(&refused);
        assert!(!refused.status.success(), "{lines}");
        assert!(
            lines.contains("plan: failed: the document with this key was compacted"),
            "{lines}"
        );
        assert!(lines.contains("--key-prefix"), "{lines}");
    }

    let server = SERVER.start(folder.path(), &[]).await;
    assert_eq!(read(&alice.at(&server), "plan").await["content"], "xxxxx");
    server.terminate().await;
}

#[actix_web::test]
async fn a_document_of_another_installation_is_imported_with_its_history() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let from = tempfile::tempdir().unwrap();
    let first = SERVER.start(one.path(), &[]).await;
    let alice = first.person("Alice").await;
    let document = alice.create_document("Plan", "Hello").await;
    let exported = "query($id: ID!) { exportDocument(documentId: $id) { update } }";
    let export = async |alice: &Person| {
        let update = alice.run(exported, json!({ "id": document })).await.value();
        let update = STANDARD.decode(update["update"].as_str().unwrap()).unwrap();
        fs::write(from.path().join("plan.yjs"), update).unwrap();
    };
    export(&alice).await;

    let second = SERVER.start(other.path(), &[]).await;
    let her_account = second.person("Alice").await;
    second.terminate().await;
    let imported = import(other.path(), from.path(), &[]).await;
    assert!(imported.status.success(), "{}", printed(&imported));
    let again = import(other.path(), from.path(), &["--update"]).await;
    assert!(printed(&again).contains("plan: unchanged"), "{}", printed(&again));

    // What was written since is merged, until one of the two has another history.
    let edit = "mutation($id: ID!) {
        editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: \"Now: \" }]) { version } }";
    alice.run(edit, json!({ "id": document })).await.value();
    export(&alice).await;
    let updated = import(other.path(), from.path(), &["--update"]).await;
    assert!(printed(&updated).contains("plan: updated to version 2"), "{}", printed(&updated));
    first.terminate().await;
    let compacted = SERVER.run(one.path(), &["compact", &document.to_string()]).await;
    assert!(compacted.status.success(), "{}", String::from_utf8_lossy(&compacted.stderr));
    let first = SERVER.start(one.path(), &[]).await;
    export(&alice.at(&first)).await;
    first.terminate().await;
    let refused = import(other.path(), from.path(), &["--update"]).await;
    assert!(!refused.status.success());
    let lines = printed(&refused);
    assert!(lines.contains("plan: failed: it is the state of a document of coscribe"), "{lines}");
    assert!(lines.contains("another history"), "{lines}");

    let second = SERVER.start(other.path(), &[]).await;
    assert_eq!(read(&her_account.at(&second), "plan").await["content"], "Now: Hello");
    second.terminate().await;
}

/// Creates a table of states with one row.
async fn fill(database: &DatabaseConnection, table: &str, kind: &str, row: &str) {
    let create = format!("CREATE TABLE {table} (name varchar(255) NOT NULL UNIQUE, data {kind})");
    database.execute_unprepared(&create).await.unwrap();
    let insert = format!("INSERT INTO {table} VALUES ('page', {row})");
    database.execute_unprepared(&insert).await.unwrap();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[actix_web::test]
async fn tables_of_sqlite_and_postgresql_are_imported() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &[]).await;
    let alice = server.person("Alice").await;
    let file = folder.path().join("hocuspocus.sqlite");
    let path = file.clone();
    let mut connect = ConnectOptions::new("sqlite::memory:");
    connect.max_connections(1).map_sqlx_sqlite_opts(move |_of_url| {
        SqliteConnectOptions::new().filename(&path).create_if_missing(true)
    });
    let database = Database::connect(connect).await.unwrap();
    let row = format!("x'{}'", hex(&state(&foreign("From SQLite"))));
    fill(&database, "documents", "blob", &row).await;
    database.close().await.unwrap();

    let file = file.to_str().unwrap();
    let more = ["--owner", "alice@example.org", "--key-prefix", "lite:", "--title", "Imported"];
    let arguments = [&["import", "sqlite", file][..], &more].concat();
    let output = SERVER.run(folder.path(), &arguments).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let document = read(&alice, "lite:page").await;
    assert_eq!(
        (&document["content"], &document["title"]),
        (&json!("From SQLite"), &json!("Imported"))
    );

    if let Some(postgres) = TestDatabase::create().await {
        let url = postgres.url();
        let mut connect = ConnectOptions::new(&url);
        connect.max_connections(1);
        let database = Database::connect(connect).await.unwrap();
        let row = format!("decode('{}', 'hex')", hex(&state(&foreign("From PostgreSQL"))));
        fill(&database, "pages", "bytea", &row).await;
        database.close().await.unwrap();
        let table = ["--table", "public.pages", "--owner", "alice@example.org"];
        let arguments = [&["import", "postgres", &url][..], &table].concat();
        let output = SERVER.run(folder.path(), &arguments).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(read(&alice, "page").await["content"], "From PostgreSQL");
    }
    server.terminate().await;
}

#[actix_web::test]
async fn a_running_node_with_postgresql_finds_what_an_import_has_changed() {
    let Some(postgres) = TestDatabase::create().await else { return };
    let (folder, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = postgres.url();
    let settings = [("DATABASE_URL", url.as_str()), ("JWT_SECRET", SECRET)];
    let server = SERVER.start(folder.path(), &settings).await;
    let alice = server.person("Alice").await;
    let path = from.path().to_str().unwrap();
    let import = async || {
        let arguments = ["import", "folder", path, "--owner", "alice@example.org", "--update"];
        let output = SERVER.command(folder.path()).args(arguments).envs(settings).output();
        let output = output.await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        printed(&output)
    };
    let doc = foreign("Hello");
    fs::write(from.path().join("plan.yjs"), state(&doc)).unwrap();
    assert!(import().await.contains("plan: imported as "));
    // An import has no session, so those of its author are not told.
    let bob = server.person("Bob").await;
    let found = "query($id: ID!) { document(id: $id) { id } }";
    let found = alice.run(found, json!({ "id": "plan" })).await.value();
    let id: DocumentId = found["id"].as_str().unwrap().parse().unwrap();
    alice.grant(id, &bob, "VIEW").await.value();
    let tab = bob.connect().await;
    let operation = "subscription($id: ID!) {
        documentChanged(documentId: $id, since: 1) { version content author { name } } }";
    tab.start_with("1", operation, json!({ "id": "plan" })).await;

    let content = doc.get_or_insert_text("content");
    content.insert(&mut doc.transact_mut(), 5, " world");
    fs::write(from.path().join("plan.yjs"), state(&doc)).unwrap();
    assert!(import().await.contains("plan: updated to version 2"));
    let change = tab.expect_next("1").await;
    let expected = json!({ "version": 2, "content": "Hello world", "author": { "name": "Alice" } });
    assert_eq!(change, expected);
    // The next change of the node follows it.
    let write = "mutation($id: ID!) { updateDocument(id: $id, content: \"Hello\") { version } }";
    let written = alice.run(write, json!({ "id": "plan" })).await.value();
    assert_eq!(written["version"], 3);
    assert!(import().await.contains("plan: unchanged"));
    drop(tab);
    server.terminate().await;
}

/// With these limits, an update may have 100 structs, and a document 2,000 bytes of text.
const SMALL_LIMITS: [(&str, &str); 3] = [
    ("COSCRIBE__LIMITS__UPDATE_STRUCTS", "100"),
    ("COSCRIBE__LIMITS__DOCUMENT", "2000"),
    ("COSCRIBE__LIMITS__DOCUMENT_STATE", "40000"),
];

#[actix_web::test]
async fn a_document_with_more_structs_than_an_update_may_have_is_imported_within_its_limits() {
    let folder = tempfile::tempdir().unwrap();
    let from = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &SMALL_LIMITS).await;
    let alice = server.person("Alice").await;
    for (name, state) in [
        ("fits.yjs", state(&many_structs(1_500))),
        ("long.yjs", state(&many_structs(2_100))),
        ("large.yjs", state(&foreign(&"x".repeat(50_000)))),
    ] {
        fs::write(from.path().join(name), state).unwrap();
    }
    let path = from.path().to_str().unwrap();
    let arguments = ["import", "folder", path, "--owner", "alice@example.org"];
    let output = SERVER.command(folder.path()).args(arguments).envs(SMALL_LIMITS).output();
    let output = output.await.unwrap();
    let lines = printed(&output);
    assert!(!output.status.success(), "{lines}");
    assert!(lines.contains("fits: imported as "), "{lines}");
    assert!(lines.contains("long: failed: its text has"), "{lines}");
    assert!(lines.contains("`limits.document` is 2000"), "{lines}");
    assert!(lines.contains("`limits.document_state` is 40000"), "{lines}");
    assert_eq!(read(&alice, "fits").await["content"], "x".repeat(1_500));
    server.terminate().await;
}

#[actix_web::test]
async fn a_program_sends_a_document_in_parts_that_follow_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let server = SERVER.start(folder.path(), &SMALL_LIMITS).await;
    let alice = server.person("Alice").await;
    let document = alice.create_document("Large", "").await;
    let mutation = "mutation($id: ID!, $update: Bytes!) {
        applyUpdate(documentId: $id, update: $update) { version } }";
    let apply = async |update: Vec<u8>| {
        let update = STANDARD.encode(update);
        alice.run(mutation, json!({ "id": document, "update": update })).await
    };
    let (doc, mut parts) = (many_structs(0), vec![]);
    let text = doc.get_or_insert_text("content");
    for _part in 0..10 {
        let before = doc.transact().state_vector();
        for _letter in 0..90 {
            text.insert(&mut doc.transact_mut(), 0, "x");
        }
        parts.push(doc.transact().encode_state_as_update_v1(&before));
    }
    assert_eq!(apply(state(&doc)).await.code(), "BAD_USER_INPUT");
    assert_eq!(apply(parts[1].clone()).await.code(), "BAD_USER_INPUT");
    for part in parts {
        apply(part).await.value();
    }
    assert_eq!(alice.read_text(document).await, "x".repeat(900));
    server.terminate().await;
}
