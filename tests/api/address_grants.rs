//! Grants to e-mail addresses, which do not tell who has an account; grants that are not accepted; and users who are blocked.

use coscribe::domain::DocumentId;
use kit::{Answer, Client as _, Node as _, Person, TestNode};
use serde_json::{Value, json};

async fn grant(who: &Person, document: DocumentId, email: &str, level: &str) -> Value {
    let operation = "mutation($id: ID!, $email: String, $level: AccessLevel!) {
        grantAccess(documentId: $id, email: $email, level: $level) {
            level grantedAt endsAt user { id name } } }";
    let variables = json!({ "id": document, "email": email, "level": level });
    who.run(operation, variables).await.value()
}

async fn collaborators(who: &Person, document: DocumentId) -> Vec<String> {
    let operation = "query($id: ID!) { document(id: $id) { collaborators { user { name } } } }";
    let shown = who.run(operation, json!({ "id": document })).await.value();
    let names = shown["collaborators"].as_array().unwrap().iter();
    names.map(|one| one["user"]["name"].as_str().unwrap().to_owned()).collect()
}

async fn listed(who: &Person, filter: &str) -> Vec<Value> {
    let operation =
        "query($filter: DocumentFilter!) { documents(filter: $filter) { nodes { id } } }";
    let found = who.run(operation, json!({ "filter": filter })).await.value();
    found["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect()
}

async fn revoke(who: &Person, document: DocumentId, user: &Value) -> Answer {
    let operation =
        "mutation($id: ID!, $user: ID!) { revokeAccess(documentId: $id, userId: $user) }";
    who.run(operation, json!({ "id": document, "user": user })).await
}

async fn block(who: &Person, field: &str, whom: &Person) -> Answer {
    let operation = format!("mutation($user: ID!) {{ {field}(userId: $user) }}");
    who.run(&operation, json!({ "user": whom.id })).await
}

#[actix_web::test]
async fn the_answer_is_the_same_whether_there_is_an_account_or_not() {
    let node = TestNode::start().await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_document("Plan", "Hello").await;
    let mut answers = vec![];
    // Bob has an account, nobody has not, and Alice owns the document.
    for email in ["bob@example.org", "nobody@example.org", "alice@example.org"] {
        let mut answer = grant(&alice, document, email, "EDIT").await;
        assert_eq!(answer["user"]["name"], email);
        let id: uuid::Uuid = answer["user"]["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 8, "{email}");
        // Again, and to another level.
        assert_eq!(grant(&alice, document, email, "EDIT").await, answer);
        assert_eq!(grant(&alice, document, email, "VIEW").await["user"], answer["user"]);
        grant(&alice, document, email, "EDIT").await;
        answer.as_object_mut().unwrap().retain(|name, _| name == "level" || name == "endsAt");
        answers.push(answer);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let mut shown = collaborators(&alice, document).await;
    shown.sort();
    assert_eq!(shown, ["alice@example.org", "bob@example.org", "nobody@example.org"]);
    assert_eq!(bob.read(document).await["access"], "EDIT");

    for email in ["bob@example.org", "nobody@example.org"] {
        let stand_in = grant(&alice, document, email, "EDIT").await["user"]["id"].clone();
        assert_eq!(revoke(&alice, document, &stand_in).await.value(), true);
        assert_eq!(revoke(&alice, document, &stand_in).await.value(), false);
    }
    assert_eq!(bob.read(document).await, Value::Null);
    assert_eq!(collaborators(&alice, document).await, ["alice@example.org"]);
    node.stop().await;
}

#[actix_web::test]
async fn what_was_granted_waits_until_it_is_accepted() {
    let node = TestNode::start().await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_document("Plan", "Hello").await;
    let own = bob.create_document("Own", "").await;
    assert_eq!(bob.accept_access(document).await.code(), "FORBIDDEN");
    grant(&alice, document, "bob@example.org", "EDIT").await;
    assert_eq!(listed(&bob, "PENDING").await, [json!(document)]);
    assert_eq!(listed(&bob, "ACCEPTED").await, [json!(own)]);
    assert_eq!(listed(&bob, "SHARED").await, [json!(document)]);

    assert_eq!(bob.accept_access(document).await.value()["access"], "EDIT");
    assert_eq!(listed(&bob, "PENDING").await, Vec::<Value>::new());
    assert_eq!(listed(&bob, "ACCEPTED").await.len(), 2);
    // Now others see who it is.
    assert_eq!(collaborators(&alice, document).await, ["Bob"]);
    grant(&alice, document, "bob@example.org", "VIEW").await;
    assert_eq!(collaborators(&alice, document).await, ["Bob"]);
    assert_eq!(bob.read(document).await["access"], "VIEW");
    node.stop().await;
}

#[actix_web::test]
async fn an_address_has_access_when_it_is_confirmed() {
    let node = TestNode::start().await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "Hello").await;
    let ended = alice.create_document("Old", "").await;
    grant(&alice, document, "bob@example.org", "EDIT").await;
    let operation = "mutation($id: ID!, $at: DateTime) { grantAccess(documentId: $id, level: VIEW,
        email: \"bob@example.org\", endsAt: $at) { level } }";
    let ends_at = chrono::Utc::now() + chrono::TimeDelta::milliseconds(300);
    alice.run(operation, json!({ "id": ended, "at": ends_at })).await.value();
    // Anybody can register with the address.
    let bob = node.person("Bob").await;
    assert_eq!(bob.read(document).await, Value::Null);
    kit::expect_eventually("the end", async || chrono::Utc::now() > ends_at).await;

    node.store().confirm_address(bob.id).await.unwrap();
    assert_eq!(bob.read(document).await["access"], "EDIT");
    assert_eq!(bob.read(ended).await, Value::Null);
    assert_eq!(listed(&bob, "PENDING").await, [json!(document)]);
    assert_eq!(collaborators(&alice, document).await, ["bob@example.org"]);
    node.stop().await;
}

#[actix_web::test]
async fn a_squatter_does_not_get_what_is_granted_to_the_address() {
    let node = TestNode::start_with(&[("COSCRIBE__AUTH__UNCONFIRMED_ADDRESSES", "false")]).await;
    let alice = node.person("Alice").await;
    let document = alice.create_document("Plan", "Hello").await;
    // Mallory is the first to register Bob's address.
    let mallory = node.person("Bob").await;
    grant(&alice, document, "bob@example.org", "EDIT").await;
    assert_eq!(mallory.read(document).await, Value::Null);
    assert_eq!(listed(&mallory, "PENDING").await, Vec::<Value>::new());
    assert_eq!(mallory.accept_access(document).await.code(), "FORBIDDEN");

    // An operator finds out whose the address is.
    node.store().confirm_address(mallory.id).await.unwrap();
    assert_eq!(mallory.read(document).await["access"], "EDIT");
    assert_eq!(collaborators(&alice, document).await, ["bob@example.org"]);
    node.stop().await;
}

#[actix_web::test]
async fn a_blocked_user_shares_nothing_and_learns_it_by_id_only() {
    let node = TestNode::start().await;
    let [alice, bob, mallory] =
        [node.person("Alice").await, node.person("Bob").await, node.person("Mallory").await];
    let spam = mallory.create_document("Spam", "Buy").await;
    let wanted = mallory.create_document("Wanted", "").await;
    mallory.grant_by_id(spam, &bob, "EDIT").await.value();
    mallory.grant_by_id(wanted, &bob, "EDIT").await.value();
    bob.accept_access(wanted).await.value();
    let editor = bob.open_editor(spam).await;

    assert_eq!(block(&bob, "blockUser", &mallory).await.value(), true);
    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(bob.read(spam).await, Value::Null);
    assert_eq!(bob.read(wanted).await["access"], "EDIT");
    let blocked = bob.run("{ blockedUsers { name } }", json!({})).await.value();
    assert_eq!(blocked, json!([{ "name": "Mallory" }]));
    assert_eq!(mallory.grant_by_id(spam, &bob, "EDIT").await.code(), "FORBIDDEN");
    let answer = grant(&mallory, spam, "bob@example.org", "EDIT").await;
    let other = grant(&mallory, spam, "nobody@example.org", "EDIT").await;
    assert_eq!(
        (&answer["level"], &answer["user"]["name"]),
        (&other["level"], &json!("bob@example.org"))
    );
    assert_eq!(bob.read(spam).await, Value::Null);
    // A confirmed address does not let it in either.
    node.store().confirm_address(bob.id).await.unwrap();
    assert_eq!(listed(&bob, "PENDING").await, Vec::<Value>::new());
    // Others are not affected.
    let plan = alice.create_document("Plan", "").await;
    alice.grant_by_id(plan, &bob, "EDIT").await.value();

    assert_eq!(block(&bob, "unblockUser", &mallory).await.value(), true);
    assert_eq!(block(&bob, "unblockUser", &mallory).await.value(), false);
    mallory.grant_by_id(spam, &bob, "EDIT").await.value();
    assert_eq!(bob.read(spam).await["access"], "EDIT");
    drop(editor);
    node.stop().await;
}
