//! Access levels: what each allows, on every path.

use coscribe::domain::DocumentId;
use kit::{Answer, Client, Node as _, Pair, Person, Socket};
use serde_json::{Value, json};

/// The subscriptions.
const SUBSCRIPTIONS: [&str; 3] = ["documentChanged", "presenceUpdated", "cursorMoved"];

/// Tries everything that changes a document or its access levels.
async fn changes(client: &impl Client, document: DocumentId, about: &Person) -> Vec<Answer> {
    vec![
        client.write(document, "Mine").await,
        client.rename(document, "Mine").await,
        client.delete(document).await,
        client.grant(document, about, "OWNER").await,
        client.revoke(document, about).await,
    ]
}

/// Tries everything with a document, except subscriptions.
async fn everything(client: &impl Client, document: DocumentId, about: &Person) -> Vec<Answer> {
    let mut answers = changes(client, document, about).await;
    answers.push(client.presence(document).await);
    answers.push(client.move_cursor(document, 0, 0).await);
    answers
}

/// Tries every subscription, which must be refused.
async fn expect_no_subscription(socket: &Socket, document: DocumentId) {
    for field in SUBSCRIPTIONS {
        let id = socket.start_subscription(field, document).await;
        assert_eq!(socket.expect_error(&id).await, "FORBIDDEN", "{field}");
    }
}

#[actix_web::test]
async fn a_user_without_access_is_refused_on_every_path() {
    let pair = Pair::start().await;
    let Pair { node, alice, bob, document } = &pair;
    let mallory = node.person("Mallory").await;
    let mallorys = mallory.connect().await;
    let (alices_tab, bobs_tab) = pair.open().await;

    for target in [*document, DocumentId::new()] {
        expect_no_subscription(&mallorys, target).await;
        let over_socket = everything(&mallorys, target, &mallory).await;
        let over_http = everything(&mallory, target, &mallory).await;
        let with_session = mallory.with_session(mallorys.session());
        let for_own_session = everything(&with_session, target, &mallory).await;
        for answer in over_socket.iter().chain(&over_http).chain(&for_own_session) {
            assert_eq!(answer.code(), "FORBIDDEN", "{answer:?}");
        }
    }

    // Nothing was changed or broadcast: the next events are those of Bob.
    bobs_tab.move_cursor(*document, 5, 5).await.value();
    bobs_tab.write(*document, "Marker").await.value();
    assert_eq!(alices_tab.expect_cursor().await["user"]["name"], bob.name.as_str());
    assert_eq!(alices_tab.expect_version(2).await["content"], "Marker");
    alices_tab.assert_nothing_unread();
    assert_eq!(alice.read(*document).await["collaborators"].as_array().unwrap().len(), 1);
    pair.stop((mallorys, alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn only_its_own_user_can_name_a_session() {
    let pair = Pair::start().await;
    let Pair { node, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let mallory = node.person("Mallory").await;

    // Bob has access to the document, but not to Alice's session.
    for impostor in [&mallory, &pair.bob] {
        let request = impostor.with_session(alices_tab.session());
        for operation in [
            format!(
                "mutation {{ updateDocument(id: \"{document}\", content: \"Mine\") {{ id }} }}"
            ),
            format!(
                "mutation {{ updateCursor(documentId: \"{document}\", cursor: {{ line: 1, column: 1 }}) }}"
            ),
            format!("{{ documentPresence(documentId: \"{document}\") {{ color }} }}"),
            "{ me { id } }".to_owned(),
        ] {
            let reply = request.send(&json!({ "query": operation })).await;
            assert_eq!((reply.status, &*reply.code()), (403, "FORBIDDEN"), "{operation}");
        }
    }

    let marker = alices_tab.write(*document, "Marker").await.value();
    assert_eq!(marker["version"], 2);
    bobs_tab.expect_version(2).await;
    bobs_tab.assert_nothing_unread();
    alices_tab.assert_nothing_unread();
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn a_viewer_sees_everything_and_changes_nothing() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    alice.grant(*document, bob, "VIEW").await.value();
    let alices_tab = alice.open(*document).await;

    let bobs_tab = bob.open(*document).await;

    alices_tab.expect_joined(bob).await;
    assert_eq!(bob.read(*document).await["access"], "VIEW");
    assert_eq!(bob.presence(*document).await.value().as_array().unwrap().len(), 2);
    bobs_tab.move_cursor(*document, 1, 2).await.value();
    alices_tab.expect_cursor().await;
    bob.with_session(bobs_tab.session()).move_cursor(*document, 3, 4).await.value();
    alices_tab.expect_cursor().await;
    alices_tab.write(*document, "Hello").await.value();
    bobs_tab.expect_version(2).await;

    let over_http = changes(bob, *document, alice).await;
    let over_socket = changes(&bobs_tab, *document, alice).await;
    for answer in over_http.iter().chain(&over_socket) {
        assert_eq!(answer.code(), "FORBIDDEN", "{answer:?}");
    }
    assert_eq!(alice.read(*document).await["version"], 2);
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn an_editor_cannot_delete_or_share() {
    let Pair { node, alice, bob, document } = Pair::start().await;
    let carol = node.person("Carol").await;

    bob.write(document, "Hello").await.value();

    assert_eq!(bob.delete(document).await.code(), "FORBIDDEN");
    assert_eq!(bob.grant(document, &carol, "VIEW").await.code(), "FORBIDDEN");
    assert_eq!(bob.grant(document, &bob, "OWNER").await.code(), "FORBIDDEN");
    assert_eq!(bob.revoke(document, &alice).await.code(), "FORBIDDEN");
    assert_eq!(carol.read(document).await, Value::Null);
    assert_eq!(bob.read(document).await["access"], "EDIT");
    node.stop().await;
}

#[actix_web::test]
async fn a_second_owner_can_share_but_not_remove_the_first() {
    let Pair { node, alice, bob, document } = Pair::start().await;
    let carol = node.person("Carol").await;
    alice.grant(document, &bob, "OWNER").await.value();

    bob.grant(document, &carol, "VIEW").await.value();

    assert_eq!(carol.read(document).await["access"], "VIEW");
    for owner in [&alice, &bob] {
        assert_eq!(owner.revoke(document, &alice).await.code(), "BAD_USER_INPUT");
        assert_eq!(owner.grant_by_id(document, &alice, "VIEW").await.code(), "BAD_USER_INPUT");
    }
    assert_eq!(alice.read(document).await["access"], "OWNER");
    assert_eq!(bob.delete(document).await.value(), true);
    node.stop().await;
}

#[actix_web::test]
async fn access_is_granted_by_id_or_address_and_can_be_changed() {
    let Pair { node, alice, bob, document } = Pair::start().await;
    let grant = "mutation($document: ID!, $user: ID, $email: String) {
        grantAccess(documentId: $document, level: VIEW, userId: $user, email: $email)
        { level user { name } } }";
    let grant_to = |user: Value, email: Value| {
        let variables = json!({ "document": document, "user": user, "email": email });
        alice.run(grant, variables)
    };

    let lowered = grant_to(json!(bob.id), Value::Null).await.value();
    assert_eq!(lowered, json!({ "level": "VIEW", "user": { "name": "Bob" } }));
    assert_eq!(bob.read(document).await["access"], "VIEW");
    grant_to(Value::Null, json!(" BOB@example.org ")).await.value();
    assert_eq!(alice.read(document).await["collaborators"].as_array().unwrap().len(), 1);

    assert_eq!(grant_to(json!(bob.id), json!(bob.email)).await.code(), "BAD_USER_INPUT");
    assert_eq!(grant_to(Value::Null, Value::Null).await.code(), "BAD_USER_INPUT");
    assert_eq!(grant_to(Value::Null, json!("no address")).await.code(), "BAD_USER_INPUT");
    assert_eq!(grant_to(json!("no id"), Value::Null).await.code(), "BAD_USER_INPUT");
    assert_eq!(grant_to(json!(DocumentId::new()), Value::Null).await.code(), "NOT_FOUND");
    node.stop().await;
}

#[actix_web::test]
async fn a_cursor_needs_a_session_that_has_the_document_open() {
    let pair = Pair::start().await;
    let Pair { bob, document, .. } = &pair;
    let socket = bob.connect().await;

    assert_eq!(socket.move_cursor(*document, 1, 1).await.code(), "BAD_USER_INPUT");
    assert_eq!(bob.move_cursor(*document, 1, 1).await.code(), "BAD_USER_INPUT");
    let over_http = bob.with_session(socket.session());
    assert_eq!(over_http.move_cursor(*document, 1, 1).await.code(), "BAD_USER_INPUT");

    let id = socket.subscribe("documentChanged", *document).await;
    assert_eq!(socket.move_cursor(*document, 1, 1).await.value(), true);
    assert_eq!(over_http.move_cursor(*document, 1, 1).await.value(), true);
    for bad in [(-1, 0), (0, -1), (i64::from(i32::MIN), 0), (0, i64::MAX)] {
        let refused = socket.move_cursor(*document, bad.0, bad.1).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT", "{bad:?}");
    }

    socket.complete(&id).await;
    assert_eq!(socket.move_cursor(*document, 1, 1).await.code(), "BAD_USER_INPUT");
    pair.stop(socket).await;
}
