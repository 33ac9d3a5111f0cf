//! Access that is changed on one node, of somebody who sits on the other.

use serde_json::json;

use crate::support::{Client as _, Pair};

#[actix_web::test]
async fn whose_access_is_revoked_on_one_node_loses_his_streams_on_the_other() {
    let pair = Pair::meet().await;
    let other = pair.node.beside().await;
    let socket = pair.bob.at(&other).connect().await;
    let id = socket.subscribe("documentChanged", pair.document).await;

    pair.alice.revoke(pair.document, &pair.bob).await.value();

    assert_eq!(socket.expect_error(&id).await, "FORBIDDEN");
    drop(socket);
    other.stop().await;
    pair.node.stop().await;
}

#[actix_web::test]
async fn whose_access_is_lowered_on_one_node_changes_nothing_on_the_other() {
    let pair = Pair::meet().await;
    let other = pair.node.beside().await;
    let bobs = pair.bob.at(&other).open(pair.document).await;

    pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();

    let edit = "mutation ($id: ID!) {
        editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: \"x\" }]) { version } }";
    let refused = bobs.run(edit, json!({ "id": pair.document.to_string() })).await;
    assert_eq!(refused.code(), "FORBIDDEN");
    pair.alice.write(pair.document, "Still told.").await.value();
    assert_eq!(bobs.expect_change().await["content"], "Still told.");
    drop(bobs);
    other.stop().await;
    pair.node.stop().await;
}

#[actix_web::test]
async fn when_a_revocation_is_answered_the_streams_on_all_nodes_have_ended() {
    // Nothing is compared in time, so it is told or it is not.
    let pair = Pair::meet_with(&[("COSCRIBE__ROOM__COMPARE_EVERY", "1h")]).await;
    let other = pair.node.beside().await;
    let Pair { alice, bob, document, .. } = &pair;
    for round in 0..10 {
        let (here, there) = (bob.open(*document).await, bob.at(&other).open(*document).await);
        alice.revoke(*document, bob).await.value();
        // What is written after the answer reaches nobody whose access was taken.
        alice.write(*document, &format!("Secret {round}")).await.value();
        for tab in [&here, &there] {
            assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
            let heard = tab.socket.left_over();
            assert!(!format!("{heard:?}").contains("Secret"), "{heard:#?}");
        }
        alice.grant(*document, bob, "EDIT").await.value();
    }
    pair.end_with(other, ()).await;
}
