//! Access that is changed on one node, for a user whose session is on another.

use kit::{Client as _, Pair};
use serde_json::json;

#[actix_web::test]
async fn a_revocation_on_one_node_ends_subscriptions_on_another() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let socket = pair.bob.at(&peer).connect().await;
    let id = socket.subscribe("documentChanged", pair.document).await;

    pair.alice.revoke(pair.document, &pair.bob).await.value();

    assert_eq!(socket.expect_error(&id).await, "FORBIDDEN");
    pair.stop_with(peer, socket).await;
}

#[actix_web::test]
async fn a_downgrade_on_one_node_forbids_edits_on_another() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer().await;
    let bobs_tab = pair.bob.at(&peer).open(pair.document).await;

    pair.alice.grant(pair.document, &pair.bob, "VIEW").await.value();

    let refused = bobs_tab.edit(pair.document, 1, json!([{ "insert": "x" }])).await;
    assert_eq!(refused.code(), "FORBIDDEN");
    pair.alice.write(pair.document, "Still received.").await.value();
    assert_eq!(bobs_tab.expect_change().await["content"], "Still received.");
    pair.stop_with(peer, bobs_tab).await;
}

#[actix_web::test]
async fn a_revocation_is_answered_after_the_subscriptions_on_all_nodes_have_ended() {
    // No node reconciles in time, so only the relay can bring the revocation.
    let pair = Pair::start_with(&[("COSCRIBE__ROOM__COMPARE_EVERY", "1h")]).await;
    let peer = pair.node.start_peer().await;
    let Pair { alice, bob, document, .. } = &pair;
    for round in 0..10 {
        let (here, there) = (bob.open(*document).await, bob.at(&peer).open(*document).await);
        alice.revoke(*document, bob).await.value();
        // Text that is written after the answer must not reach Bob.
        alice.write(*document, &format!("Secret {round}")).await.value();
        for tab in [&here, &there] {
            assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
            let unread = tab.socket.unread();
            assert!(!format!("{unread:?}").contains("Secret"), "{unread:#?}");
        }
        alice.grant(*document, bob, "EDIT").await.value();
    }
    pair.stop_with(peer, ()).await;
}

#[actix_web::test]
async fn a_page_on_another_node_learns_the_new_level() {
    // No node reconciles in time, so only the relay can bring it.
    let pair = Pair::start_with(&[("COSCRIBE__ROOM__COMPARE_EVERY", "1h")]).await;
    let peer = pair.node.start_peer().await;
    let Pair { alice, bob, document, .. } = &pair;
    let socket = bob.at(&peer).connect().await;
    let id = socket.subscribe("accessChanged", *document).await;
    let editor = bob.at(&peer).open_editor(*document).await;
    assert_eq!(socket.expect_next(&id).await["access"], "EDIT");

    alice.grant(*document, bob, "VIEW").await.value();
    assert_eq!(socket.expect_next(&id).await["access"], "VIEW");
    editor.expect("the new level", |state| state.may_edit == Some(false)).await;
    pair.stop_with(peer, (socket, editor)).await;
}
