//! Access that is granted to groups, whose members an identity provider or an application names.

use coscribe::domain::DocumentId;
use kit::{
    Answer, Application, Client as _, IdentityProvider, Node as _, Person, SigningKey, TestNode,
    expect_eventually,
};
use serde_json::{Value, json};

/// A provider that names groups, and a node that reads them.
async fn start() -> (IdentityProvider, TestNode) {
    let provider = IdentityProvider::start(SigningKey::es256("e")).await;
    let settings = provider.settings("COMPANY");
    let mut variables: Vec<_> =
        settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    variables.push(("COSCRIBE__AUTH__ISSUERS__COMPANY__GROUPS_CLAIM", "groups"));
    (provider, TestNode::start_with(&variables).await)
}

async fn member(node: &TestNode, provider: &IdentityProvider, name: &str, groups: Value) -> Person {
    let token = provider.token(name, json!({ "name": name, "groups": groups }));
    Person::with_outside_token(node, name, token).await
}

/// The same user with a token that was issued `later` seconds after now and names these groups.
fn with_groups(provider: &IdentityProvider, person: &Person, later: i64, groups: Value) -> Person {
    let iat = chrono::Utc::now().timestamp() + later;
    let claims = json!({ "name": person.name, "groups": groups, "iat": iat });
    person.with_token(provider.token(&person.name, claims))
}

async fn grant(who: &Person, document: DocumentId, group: &str, source: Option<&str>) -> Answer {
    let operation = "mutation($id: ID!, $group: String!, $source: String) {
        grantGroupAccess(documentId: $id, level: EDIT, group: $group, source: $source) {
            level group { id name source } } }";
    who.run(operation, json!({ "id": document, "group": group, "source": source })).await
}

async fn revoke(who: &Person, document: DocumentId, group: &Value) -> Answer {
    let operation = "mutation($id: ID!, $group: ID!) {
        revokeGroupAccess(documentId: $id, groupId: $group) }";
    who.run(operation, json!({ "id": document, "group": group })).await
}

async fn change(itself: &Person, joining: &[&Person], leaving: &[&Person]) -> Answer {
    let operation = "mutation($joining: [ID!]!, $leaving: [ID!]!) {
        changeGroup(group: \"Writers\", joining: $joining, leaving: $leaving) }";
    let ids = |people: &[&Person]| people.iter().map(|one| one.id).collect::<Vec<_>>();
    itself.run(operation, json!({ "joining": ids(joining), "leaving": ids(leaving) })).await
}

#[actix_web::test]
async fn a_group_of_a_provider_opens_and_closes_documents() {
    let (provider, node) = start().await;
    let alice = member(&node, &provider, "Alice", json!([])).await;
    let document = alice.create_document("Plan", "Hello").await;
    let granted = grant(&alice, document, "design", None).await.value();
    assert_eq!(granted["group"]["source"], provider.issuer());

    let bob = member(&node, &provider, "Bob", json!(["sales", "design"])).await;
    let cleo = member(&node, &provider, "Cleo", json!(["sales"])).await;
    let (tab, editor) = (bob.open(document).await, bob.open_editor(document).await);
    editor.insert(0, "Bob: ").await;
    assert_eq!(tab.expect_change().await["content"], "Bob: Hello");
    assert_eq!(cleo.read(document).await, Value::Null);
    let mine = bob.run("{ groups { name } }", json!({})).await.value();
    assert_eq!(mine, json!([{ "name": "design" }, { "name": "sales" }]));
    let shared = bob.run("{ documents(filter: SHARED) { nodes { id } } }", json!({})).await.value();
    assert_eq!(shared["nodes"], json!([{ "id": document }]));
    let shown = "query($id: ID!) { documentGroups(documentId: $id) { level group { name } } }";
    assert_eq!(bob.run(shown, json!({ "id": document })).await.code(), "FORBIDDEN");
    let shown = alice.run(shown, json!({ "id": document })).await.value();
    assert_eq!(shown, json!([{ "level": "EDIT", "group": { "name": "design" } }]));

    assert_eq!(revoke(&alice, document, &granted["group"]["id"]).await.value(), true);
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(bob.write(document, "x").await.code(), "FORBIDDEN");
    assert_eq!(revoke(&alice, document, &granted["group"]["id"]).await.value(), false);
    drop((tab, editor));
    node.stop().await;
}

#[actix_web::test]
async fn a_newer_token_takes_its_user_out_of_a_group() {
    let (provider, node) = start().await;
    let alice = member(&node, &provider, "Alice", json!([])).await;
    let document = alice.create_document("Plan", "Hello").await;
    grant(&alice, document, "design", None).await.value();
    let bob = member(&node, &provider, "Bob", json!(["design"])).await;
    let (tab, editor) = (bob.open(document).await, bob.open_editor(document).await);

    let without = with_groups(&provider, &bob, 5, json!([]));
    assert_eq!(without.read(document).await, Value::Null);
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert_eq!(editor.expect_close().await.0, 4403);
    // An older token does not put them in again, and one without the claim means no groups.
    assert_eq!(bob.read(document).await, Value::Null);
    let again = with_groups(&provider, &bob, 10, json!("design"));
    assert_eq!(again.read(document).await["content"], "Hello");
    let silent = with_groups(&provider, &bob, 15, Value::Null);
    assert_eq!(silent.read(document).await, Value::Null);
    drop((tab, editor));
    node.stop().await;
}

#[actix_web::test]
async fn an_application_says_who_is_in_its_groups() {
    let node = TestNode::start().await;
    let wiki = Application::register(&node, "wiki").await;
    let itself = wiki.itself(&node).await;
    let [alice, bob, cleo] =
        [node.person("Alice").await, node.person("Bob").await, node.person("Cleo").await];
    let document = alice.create_document("Plan", "Hello").await;
    assert_eq!(grant(&alice, document, "Writers", None).await.code(), "BAD_USER_INPUT");
    // She is not in it, so she cannot share with it.
    assert_eq!(grant(&alice, document, "Writers", Some("wiki")).await.code(), "BAD_USER_INPUT");
    change(&itself, &[&alice], &[]).await.value();
    let granted = grant(&alice, document, "Writers", Some("wiki")).await.value();
    assert_eq!(granted["group"]["name"], "Writers");
    assert_eq!(bob.read(document).await, Value::Null);

    change(&itself, &[&bob, &cleo], &[]).await.value();
    let (tab, editor) = (bob.open(document).await, cleo.open_editor(document).await);
    bob.write(document, "Bob was here").await.value();
    change(&itself, &[], &[&bob, &cleo]).await.value();
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(bob.write(document, "x").await.code(), "FORBIDDEN");

    assert_eq!(change(&alice, &[&bob], &[]).await.code(), "FORBIDDEN");
    let mut unknown = bob.clone();
    unknown.id = coscribe::domain::UserId::new();
    assert_eq!(change(&itself, &[&unknown], &[]).await.code(), "NOT_FOUND");
    // A group of another application is another one.
    let other = Application::register(&node, "other").await.itself(&node).await;
    change(&other, &[&bob], &[]).await.value();
    assert_eq!(bob.read(document).await, Value::Null);
    drop((tab, editor));
    node.stop().await;
}

#[actix_web::test]
async fn an_open_page_learns_what_a_group_gives() {
    let node = TestNode::start().await;
    let itself = Application::register(&node, "wiki").await.itself(&node).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_document("Plan", "Hello").await;
    alice.grant(document, &bob, "VIEW").await.value();
    change(&itself, &[&alice], &[]).await.value();
    grant(&alice, document, "Writers", Some("wiki")).await.value();
    let socket = bob.connect().await;
    let levels = socket.subscribe("accessChanged", document).await;
    let editor = bob.open_editor(document).await;
    assert_eq!(socket.expect_next(&levels).await["access"], "VIEW");

    change(&itself, &[&bob], &[]).await.value();
    assert_eq!(socket.expect_next(&levels).await["access"], "EDIT");
    editor.expect("the new level", |state| state.may_edit == Some(true)).await;
    // The own grant remains.
    change(&itself, &[], &[&bob]).await.value();
    assert_eq!(socket.expect_next(&levels).await["access"], "VIEW");
    editor.expect("the new level", |state| state.may_edit == Some(false)).await;
    drop((socket, editor));
    node.stop().await;
}

#[actix_web::test]
async fn a_grant_to_a_group_ends_by_itself() {
    let node = TestNode::start().await;
    let itself = Application::register(&node, "wiki").await.itself(&node).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_document("Plan", "Hello").await;
    change(&itself, &[&alice, &bob], &[]).await.value();
    let operation =
        "mutation($id: ID!, $at: DateTime) { grantGroupAccess(documentId: $id, level: EDIT,
        group: \"Writers\", source: \"wiki\", endsAt: $at) { endsAt } }";
    let ends_at = chrono::Utc::now() + chrono::TimeDelta::seconds(2);
    alice.run(operation, json!({ "id": document, "at": ends_at })).await.value();
    let editor = bob.open_editor(document).await;
    assert_eq!(editor.expect_close().await.0, 4403);
    expect_eventually("the end", async || bob.read(document).await == Value::Null).await;
    drop(editor);
    node.stop().await;
}
