//! The application that decides on access: it is asked which level a user has on a document.

use coscribe::domain::DocumentId;
use kit::{
    Answer, Application, Client as _, Node as _, Person, Questioned, TestNode, expect_eventually,
};
use serde_json::{Value, json};

/// A node that asks `application`, with Alice's document and Bob.
async fn start(
    application: &Questioned,
    more: &[(&str, &str)],
) -> (TestNode, Person, Person, DocumentId) {
    let settings = application.settings();
    let set = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let variables: Vec<_> = set.chain(more.iter().copied()).collect();
    let node = TestNode::start_with(&variables).await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_document("Plan", "Hello").await;
    (node, alice, bob, document)
}

async fn ask_again(who: &Person, document: Option<DocumentId>, user: Option<&Person>) -> Answer {
    let operation = "mutation($id: ID, $user: ID) { askAgain(documentId: $id, userId: $user) }";
    let user = user.map(|user| user.id);
    who.run(operation, json!({ "id": document, "user": user })).await
}

async fn stop(node: TestNode, clients: impl Sized) {
    drop(clients);
    node.stop().await;
}

#[actix_web::test]
async fn the_answer_decides_in_both_protocols() {
    let application = Questioned::start(600).await;
    let (node, _alice, bob, document) = start(&application, &[]).await;
    assert_eq!(bob.read(document).await, Value::Null);
    let refused = bob.connect().await;
    let subscription = refused.start_subscription("documentChanged", document).await;
    assert_eq!(refused.expect_error(&subscription).await, "FORBIDDEN");

    let cleo = node.person("Cleo").await;
    application.decide(cleo.id, document, Some("EDIT"));
    let (tab, editor) = (cleo.open(document).await, cleo.open_editor(document).await);
    editor.insert(0, "Cleo: ").await;
    assert_eq!(tab.expect_change().await["content"], "Cleo: Hello");
    cleo.write(document, "Done").await.value();

    let dan = node.person("Dan").await;
    application.decide(dan.id, document, Some("VIEW"));
    assert_eq!(dan.read(document).await["content"], "Done");
    assert_eq!(dan.write(document, "x").await.code(), "FORBIDDEN");
    // Nobody was asked about whose answer was known, and never the owner. A refusal is known for a second.
    let asked = application.asked();
    let mut users: Vec<_> = asked.iter().map(|asked| asked.user["id"].clone()).collect();
    users.retain(|user| *user != json!(bob.id));
    assert_eq!(users, [json!(cleo.id), json!(dan.id)]);
    assert!(asked.iter().all(|asked| asked.document == document.to_string()));
    stop(node, (refused, tab, editor)).await;
}

#[actix_web::test]
async fn a_document_that_does_not_exist_is_not_asked_about() {
    let application = Questioned::start(600).await;
    let (node, _alice, bob, _document) = start(&application, &[]).await;
    assert_eq!(bob.read(DocumentId::new()).await, Value::Null);
    assert_eq!(application.asked(), []);
    stop(node, ()).await;
}

#[actix_web::test]
async fn the_question_names_the_user_as_their_application_does() {
    let application = Questioned::start(600).await;
    let (node, _alice, _bob, document) = start(&application, &[]).await;
    let wiki = Application::register(&node, "wiki").await;
    let token = wiki.token("user 7", json!({ "name": "Eve" }));
    let eve = Person::with_outside_token(&node, "Eve", token).await;
    application.decide(eve.id, document, Some("EDIT"));
    eve.write(document, "Eve").await.value();
    let user = json!({ "id": eve.id, "issuer": "wiki", "subject": "user 7" });
    assert_eq!(application.asked().pop().unwrap().user, user);
    stop(node, ()).await;
}

#[actix_web::test]
async fn an_answer_is_renewed_while_the_document_is_open_and_ends_with_the_level() {
    let application = Questioned::start(3).await;
    let (node, alice, bob, document) = start(&application, &[]).await;
    application.decide(bob.id, document, Some("EDIT"));
    let (tab, editor) = (bob.open(document).await, bob.open_editor(document).await);
    expect_eventually("three questions", async || application.asked().len() >= 3).await;
    alice.write(document, "Still here").await.value();
    tab.expect_change().await;

    application.decide(bob.id, document, None);

    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert_eq!(bob.write(document, "x").await.code(), "FORBIDDEN");
    stop(node, (tab, editor)).await;
}

#[actix_web::test]
async fn without_an_answer_access_ends_and_nobody_gets_in() {
    let application = Questioned::start(1).await;
    let (node, alice, bob, document) = start(&application, &[]).await;
    application.decide(bob.id, document, Some("EDIT"));
    let tab = bob.open(document).await;

    application.set_down(true);

    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert_eq!(bob.write(document, "x").await.code(), "UNAVAILABLE");
    let query = "query($id: ID!) { document(id: $id) { title } }";
    assert_eq!(bob.run(query, json!({ "id": document })).await.code(), "UNAVAILABLE");
    alice.write(document, "Mine").await.value();

    application.set_down(false);
    expect_eventually("an answer", async || bob.write(document, "Back").await.is_ok()).await;
    stop(node, tab).await;
}

#[actix_web::test]
async fn the_application_has_questions_asked_again() {
    let application = Questioned::start(600).await;
    let (node, alice, bob, document) = start(&application, &[]).await;
    let wiki = Application::register(&node, "wiki").await;
    let itself = wiki.itself(&node).await;
    for person in [&alice, &bob] {
        assert_eq!(ask_again(person, Some(document), None).await.code(), "FORBIDDEN");
    }
    assert_eq!(ask_again(&itself, None, None).await.code(), "BAD_USER_INPUT");

    application.decide(bob.id, document, Some("EDIT"));
    let (tab, editor) = (bob.open(document).await, bob.open_editor(document).await);
    application.decide(bob.id, document, Some("VIEW"));
    assert_eq!(ask_again(&itself, Some(document), None).await.value(), 1);
    assert_eq!(tab.write(document, "x").await.code(), "FORBIDDEN");
    assert_eq!(bob.read(document).await["content"], "Hello");

    application.decide(bob.id, document, None);
    assert_eq!(ask_again(&itself, None, Some(&bob)).await.value(), 1);
    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");

    // A refusal may be remembered for a second; asking again lets the user in at once.
    application.decide(bob.id, document, Some("EDIT"));
    assert_eq!(ask_again(&itself, Some(document), Some(&bob)).await.value(), 1);
    bob.write(document, "Back").await.value();
    stop(node, (tab, editor)).await;
}

#[actix_web::test]
async fn owners_do_not_grant_where_an_application_decides() {
    let application = Questioned::start(600).await;
    let (node, alice, bob, document) = start(&application, &[]).await;
    assert_eq!(alice.grant(document, &bob, "EDIT").await.code(), "FORBIDDEN");
    assert_eq!(bob.read(document).await, Value::Null);
    stop(node, ()).await;
}

#[actix_web::test]
async fn many_requests_of_one_user_ask_one_question() {
    let application = Questioned::start(600).await;
    let (node, _alice, bob, document) = start(&application, &[]).await;
    application.decide(bob.id, document, Some("VIEW"));
    let reads = (0..50).map(|_| bob.read(document));
    let read = futures_util::future::join_all(reads).await;
    assert!(read.iter().all(|document| document["content"] == "Hello"));
    assert_eq!(application.asked().len(), 1);
    stop(node, ()).await;
}

#[actix_web::test]
async fn many_users_open_a_document_at_once_and_lose_it_together() {
    let application = Questioned::start(600).await;
    let many = [("COSCRIBE__LIMITS__ANONYMOUS_PER_SECOND", "1000")];
    let (node, _alice, _bob, document) = start(&application, &many).await;
    let wiki = Application::register(&node, "wiki").await;
    let itself = wiki.itself(&node).await;
    let mut people = Vec::new();
    for number in 0..20 {
        let person = node.person(&format!("Person{number}")).await;
        application.decide(person.id, document, Some("EDIT"));
        people.push(person);
    }
    let reads = people.iter().map(|person| person.read(document));
    let read = futures_util::future::join_all(reads).await;
    assert!(read.iter().all(|document| document["content"] == "Hello"));
    assert_eq!(application.asked().len(), people.len());

    for person in &people {
        application.decide(person.id, document, None);
    }
    assert_eq!(ask_again(&itself, Some(document), None).await.value(), 20);
    for person in &people {
        assert_eq!(person.write(document, "x").await.code(), "FORBIDDEN");
    }
    stop(node, ()).await;
}
