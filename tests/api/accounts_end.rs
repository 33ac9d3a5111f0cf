//! Documents are handed over, and accounts end: with their documents, their access, and their names.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use coscribe::domain::{DocumentId, UserId};
use kit::{
    Answer, Client, IdentityProvider, Node as _, PASSWORD, Pair, Person, Questioned, SigningKey,
    TestNode, expect_eventually, new_doc,
};
use serde_json::{Value, json};
use yrs::{GetString as _, Transact as _, Update, updates::decoder::Decode as _};

/// The close frame of a session whose sign-in has ended.
fn signed_out() -> (u16, String) {
    (4403, "Signed out; sign in again".to_owned())
}

async fn transfer(by: &impl Client, document: DocumentId, to: UserId) -> Answer {
    let operation = "mutation($document: ID!, $user: ID!) {
        transferDocument(documentId: $document, userId: $user) { id access owner { name } } }";
    by.run(operation, json!({ "document": document, "user": to })).await
}

async fn delete_account(by: &impl Client, password: Value, hand_over_to: Value) -> Answer {
    let operation = "mutation($password: String, $to: ID) {
        deleteAccount(password: $password, handOverTo: $to) }";
    by.run(operation, json!({ "password": password, "to": hand_over_to })).await
}

/// Waits until everything of an account is deleted.
async fn expect_erased(node: &TestNode, user: UserId) {
    expect_eventually("the deletion of the account", async || {
        node.store().find_erasure(user).await.unwrap().is_none()
    })
    .await;
}

/// The names of the authors of a document's history, newest first.
async fn authors(by: &impl Client, document: DocumentId) -> Vec<Value> {
    let operation =
        "query($id: ID!) { documentHistory(documentId: $id) { nodes { author { name } } } }";
    let history = by.run(operation, json!({ "id": document })).await.value();
    let entries = history["nodes"].as_array().unwrap().iter();
    entries.map(|entry| entry["author"]["name"].clone()).collect()
}

async fn owned_documents(by: &Person) -> Value {
    let operation = "{ me { usage { documents { used } } } }";
    by.run(operation, json!({})).await.value()["usage"]["documents"]["used"].take()
}

#[actix_web::test]
async fn a_document_is_handed_over_while_both_have_it_open_and_its_owner_leaves() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let (alices_editor, bobs_editor) = pair.open_editors().await;

    let handed_over = transfer(&alices_tab, *document, bob.id).await.value();

    assert_eq!(handed_over["owner"]["name"], "Bob");
    assert_eq!(
        (&handed_over["access"], owned_documents(alice).await),
        (&json!("OWNER"), json!(0.0))
    );
    assert_eq!(owned_documents(bob).await, json!(1.0));
    let read = bob.read(*document).await;
    assert_eq!((&read["access"], &read["owner"]["name"]), (&json!("OWNER"), &json!("Bob")));
    assert_eq!(read["collaborators"].as_array().unwrap().len(), 1);
    assert_eq!(read["collaborators"][0]["user"]["name"], "Alice");
    assert_eq!(authors(bob, *document).await, ["Alice"]);
    // Everything stays open and may be changed.
    alices_tab.write(*document, "By Alice.").await.value();
    bobs_editor.expect_text("By Alice.").await;
    bobs_tab.write(*document, "By Bob.").await.value();
    alices_editor.expect_text("By Bob.").await;

    assert_eq!(bob.revoke(*document, bob).await.code(), "BAD_USER_INPUT");
    assert_eq!(alice.revoke(*document, alice).await.value(), true);

    assert_eq!(alices_editor.expect_close().await.0, 4403);
    let (_, code) = alices_tab.socket.expect_results_until_error(&alices_tab.changes).await;
    assert_eq!(code, "FORBIDDEN");
    assert_eq!(alice.read(*document).await, Value::Null);
    bobs_tab.write(*document, "Alone.").await.value();
    pair.stop((alices_tab, bobs_tab, alices_editor, bobs_editor)).await;
}

#[actix_web::test]
async fn only_the_owner_hands_over_and_only_to_a_user_with_a_grant_and_room() {
    let pair = Pair::start_with(&[("COSCRIBE__LIMITS__DOCUMENTS_PER_USER", "1")]).await;
    let Pair { node, alice, bob, document } = &pair;
    let carol = node.person("Carol").await;

    assert_eq!(transfer(bob, *document, bob.id).await.code(), "FORBIDDEN");
    alice.grant(*document, bob, "OWNER").await.value();
    let refused = transfer(bob, *document, bob.id).await;
    assert_eq!(refused.code(), "FORBIDDEN");
    assert!(refused.error()["message"].as_str().unwrap().contains("owns"), "{refused:?}");
    alice.grant(*document, &carol, "VIEW").await.value();
    let refused = transfer(alice, *document, carol.id).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert!(refused.error()["message"].as_str().unwrap().contains("Grant"), "{refused:?}");
    assert_eq!(transfer(alice, *document, alice.id).await.code(), "BAD_USER_INPUT");
    assert_eq!(transfer(alice, *document, UserId::new()).await.code(), "NOT_FOUND");

    let others = bob.create_document("Mine", "").await;
    let refused = transfer(alice, *document, bob.id).await;
    assert_eq!(refused.code(), "QUOTA_EXCEEDED");
    // How much the receiver has is not the owner's business.
    assert!(refused.error()["extensions"].get("used").is_none());
    assert_eq!(alice.read(*document).await["owner"]["name"], "Alice");
    bob.delete_for_good(others).await;
    transfer(alice, *document, bob.id).await.value();
    pair.stop(()).await;
}

#[actix_web::test]
async fn nothing_is_handed_over_where_an_application_decides() {
    let application = Questioned::start(600).await;
    let settings = application.settings();
    let settings: Vec<_> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
    let node = TestNode::start_with(&settings).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_document("Plan", "").await;
    assert_eq!(transfer(&alice, document, bob.id).await.code(), "FORBIDDEN");
    node.stop().await;
}

#[actix_web::test]
async fn a_deleted_account_takes_its_documents_with_it_and_leaves_no_author() {
    let pair = Pair::start().await;
    let Pair { node, alice, bob, document } = &pair;
    let others = bob.create_shared_document(&[alice]).await;
    alice.write(others, "By Alice.").await.value();
    let (alices_tab, bobs_tab) = pair.open().await;
    let watching = bob.open(others).await;
    let (alices_editor, bobs_editor) =
        (alice.open_editor(others).await, bob.open_editor(*document).await);
    watching.expect_joined(alice).await;

    for password in [Value::Null, json!("not the password")] {
        let refused = delete_account(alice, password, Value::Null).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT");
    }
    assert_eq!(delete_account(&alices_tab, json!(PASSWORD), Value::Null).await.value(), true);

    assert_eq!(alices_tab.socket.expect_close().await, signed_out());
    assert_eq!(alices_editor.expect_close().await, signed_out());
    assert_eq!(alice.try_connect().await.err(), Some(signed_out()));
    watching.expect_left(alice).await;
    assert_eq!(bobs_tab.expect_change().await["kind"], "DELETED");
    bobs_tab.socket.expect_complete(&bobs_tab.changes).await;
    assert_eq!(bobs_editor.expect_close().await.0, 4404);
    expect_erased(node, alice.id).await;
    assert_eq!(authors(bob, others).await, [Value::Null, json!("Bob")]);
    let read = bob.read(others).await;
    assert_eq!((&read["content"], &read["collaborators"]), (&json!("By Alice."), &json!([])));
    assert_eq!(bob.read(*document).await, Value::Null);
    // The account does not exist any more, and its address is free.
    let login = "mutation($email: String!, $password: String!) {
        login(email: $email, password: $password) { token } }";
    let credentials = json!({ "email": alice.email, "password": PASSWORD });
    assert_eq!(node.stranger().run(login, credentials).await.code(), "UNAUTHENTICATED");
    assert_eq!(bob.grant_by_id(others, alice, "VIEW").await.code(), "NOT_FOUND");
    let again = node.person("Alice").await;
    assert_ne!(again.id, alice.id);
    pair.stop((alices_tab, bobs_tab, watching, alices_editor, bobs_editor)).await;
}

#[actix_web::test]
async fn a_deleted_account_hands_its_documents_over_to_a_user_who_has_access_to_each() {
    let pair = Pair::start().await;
    let Pair { node, alice, bob, document } = &pair;
    let private = alice.create_document("Diary", "secret").await;
    let (tab, editor) = (bob.open(*document).await, bob.open_editor(*document).await);

    let refused = delete_account(alice, json!(PASSWORD), json!(bob.id)).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    assert!(refused.error()["message"].as_str().unwrap().contains("access to 1 of"), "{refused:?}");
    for (receiver, code) in [(alice.id, "BAD_USER_INPUT"), (UserId::new(), "NOT_FOUND")] {
        let refused = delete_account(alice, json!(PASSWORD), json!(receiver)).await;
        assert_eq!(refused.code(), code);
    }
    alice.grant(private, bob, "VIEW").await.value();
    // Nobody gets documents that they have not accepted.
    let refused = delete_account(alice, json!(PASSWORD), json!(bob.id)).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    bob.accept_access(private).await.value();

    delete_account(alice, json!(PASSWORD), json!(bob.id)).await.value();

    expect_erased(node, alice.id).await;
    for document in [*document, private] {
        let read = bob.read(document).await;
        assert_eq!((&read["access"], &read["owner"]["name"]), (&json!("OWNER"), &json!("Bob")));
        assert_eq!(read["collaborators"], json!([]));
        assert_eq!(authors(bob, document).await, [Value::Null]);
    }
    // What Bob had open stays open.
    tab.write(*document, "Mine now.").await.value();
    editor.expect_text("Mine now.").await;
    pair.stop((tab, editor)).await;
}

#[actix_web::test]
async fn a_user_of_a_provider_gets_a_new_account_only_by_signing_in_again() {
    let provider = IdentityProvider::start(SigningKey::ed_dsa("d")).await;
    let settings = provider.settings("COMPANY");
    let settings: Vec<_> = settings.iter().map(|(name, value)| (&**name, &**value)).collect();
    let node = TestNode::start_with(&settings).await;
    let token = provider.token("subject of Alice", json!({ "name": "Alice" }));
    let alice = Person::with_outside_token(&node, "Alice", token).await;
    let document = alice.create_document("Plan", "").await;
    let socket = alice.connect().await;

    let refused = delete_account(&alice, json!(PASSWORD), Value::Null).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    delete_account(&alice, Value::Null, Value::Null).await.value();

    assert_eq!(socket.expect_close().await, signed_out());
    // A page that is still open brings nothing back.
    assert_eq!(alice.try_connect().await.err(), Some(signed_out()));
    expect_erased(&node, alice.id).await;
    assert_eq!(alice.try_connect().await.err(), Some(signed_out()));
    let now = provider.claims("", json!({}))["iat"].as_i64().unwrap();
    let newer = provider.token("subject of Alice", json!({ "name": "Alice", "iat": now + 2 }));
    let again = Person::with_outside_token(&node, "Alice", newer).await;
    assert_ne!(again.id, alice.id);
    assert_eq!(again.read(document).await, Value::Null);
    let me = again.run("{ me { id name } }", json!({})).await.value();
    assert_eq!(me, json!({ "id": again.id, "name": "Alice" }));
    drop(socket);
    node.stop().await;
}

#[actix_web::test]
async fn a_viewer_exports_a_document_as_text_json_and_yjs() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    alice.grant(*document, bob, "VIEW").await.value();
    alice.write(*document, "Welcome 🎈").await.value();
    let operation = "query($id: ID!) {
        exportDocument(documentId: $id) { documentId title version text json update } }";

    let export = bob.run(operation, json!({ "id": document })).await.value();

    assert_eq!((&export["title"], &export["version"]), (&json!("Project Alpha"), &json!(2)));
    assert_eq!((&export["documentId"], &export["text"]), (&json!(document), &json!("Welcome 🎈")));
    let content: Value = serde_json::from_str(export["json"].as_str().unwrap()).unwrap();
    let text: String = content["ops"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["insert"].as_str().unwrap())
        .collect();
    assert_eq!(text, "Welcome 🎈");
    let doc = new_doc();
    let text = doc.get_or_insert_text("content");
    let update = STANDARD.decode(export["update"].as_str().unwrap()).unwrap();
    doc.transact_mut().apply_update(Update::decode_v1(&update).unwrap()).unwrap();
    assert_eq!(text.get_string(&doc.transact()), "Welcome 🎈");

    alice.revoke(*document, bob).await.value();
    assert_eq!(bob.run(operation, json!({ "id": document })).await.code(), "FORBIDDEN");
    pair.stop(()).await;
}

#[actix_web::test]
async fn guesses_of_the_password_do_not_delete_an_account() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let mut code = String::new();
    for _ in 0..50 {
        let refused = delete_account(&alice, json!("a wrong guess"), Value::Null).await;
        code = refused.code().to_owned();
        if code != "BAD_USER_INPUT" {
            break;
        }
    }
    assert_eq!(code, "RATE_LIMITED");
    assert!(alice.run("{ me { id } }", json!({})).await.is_ok());
    node.stop().await;
}
