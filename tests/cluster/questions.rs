//! The application that decides on access, for users who are on another node.

use kit::{Application, Client as _, Node as _, Questioned, TestNode};
use serde_json::json;

#[actix_web::test]
async fn an_answer_that_was_asked_for_again_reaches_the_other_node() {
    let application = Questioned::start(600).await;
    let settings = application.settings();
    let set = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // No node compares in time, so only the relay can bring the end.
    let variables: Vec<_> = set.chain([("COSCRIBE__ROOM__COMPARE_EVERY", "1h")]).collect();
    let node = TestNode::start_with(&variables).await;
    let wiki = Application::register(&node, "wiki").await;
    let peer = node.start_peer().await;
    let itself = wiki.itself(&node).await;
    let alice = node.person("Alice").await;
    let bob = node.person("Bob").await.at(&peer);
    let document = alice.create_document("Plan", "Hello").await;
    application.decide(bob.id, document, Some("EDIT"));
    let (tab, editor) = (bob.open(document).await, bob.open_editor(document).await);

    application.decide(bob.id, document, None);
    let operation = "mutation($id: ID!) { askAgain(documentId: $id) }";
    assert_eq!(itself.run(operation, json!({ "id": document })).await.value(), 1);

    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    drop((tab, editor));
    peer.stop().await;
    node.stop().await;
}
