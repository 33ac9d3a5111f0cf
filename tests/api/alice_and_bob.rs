//! Alice and Bob open a document, see each other, and see what the other writes.

use crate::support::{Client as _, TestNode};

#[actix_web::test]
async fn bob_writes_and_alice_sees_it() {
    let node = TestNode::start().await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_document("Project Alpha", "Welcome.").await;
    alice.grant(document, &bob, "EDIT").await.value();
    let alices_tab = alice.open(document).await;
    let bobs_tab = bob.open(document).await;
    alices_tab.expect_joined(&bob).await;

    let answer = bobs_tab.write(document, "Hello World").await.value();

    assert_eq!(answer["version"], 2);
    let change = alices_tab.expect_version(2).await;
    assert_eq!(change["content"], "Hello World");

    drop((alices_tab, bobs_tab));
    node.stop().await;
}
