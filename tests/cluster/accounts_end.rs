//! Accounts that are deleted on one node, for sessions and documents that are open on another.

use kit::{Client as _, PASSWORD, Pair, expect_eventually};
use serde_json::{Value, json};

/// No node compares in time, so only the relay can bring the end.
const BY_RELAY: &[(&str, &str)] = &[("COSCRIBE__ROOM__COMPARE_EVERY", "1h")];

/// The close frame of a session whose sign-in has ended.
fn signed_out() -> (u16, String) {
    (4403, "Signed out; sign in again".to_owned())
}

const DELETE: &str = "mutation($password: String!, $to: ID) {
    deleteAccount(password: $password, handOverTo: $to) }";

#[actix_web::test]
async fn the_deletion_of_an_account_is_seen_on_another_node() {
    let pair = Pair::start_with(BY_RELAY).await;
    let Pair { node, alice, bob, document } = &pair;
    let peer = node.start_peer().await;
    let (there, bobs) = (alice.at(&peer), bob.at(&peer));
    let others = bob.create_shared_document(&[alice]).await;
    alice.write(others, "By Alice.").await.value();
    let (socket, editor) = (there.connect().await, there.open_editor(others).await);
    let (tab, bobs_editor) = (bobs.open(*document).await, bobs.open_editor(*document).await);

    alice.run(DELETE, json!({ "password": PASSWORD })).await.value();

    assert_eq!(socket.expect_close().await, signed_out());
    assert_eq!(editor.expect_close().await, signed_out());
    assert_eq!(there.try_connect().await.err(), Some(signed_out()));
    assert_eq!(tab.expect_change().await["kind"], "DELETED");
    assert_eq!(bobs_editor.expect_close().await.0, 4404);
    let history =
        "query($id: ID!) { documentHistory(documentId: $id) { nodes { author { name } } } }";
    expect_eventually("the end of the author", async || {
        let history = bobs.run(history, json!({ "id": others })).await.value();
        history["nodes"][0]["author"] == Value::Null
    })
    .await;
    expect_eventually("the end of the account", async || {
        peer.store().find_erasure(alice.id).await.unwrap().is_none()
    })
    .await;
    pair.stop_with(peer, (socket, editor, tab, bobs_editor)).await;
}

#[actix_web::test]
async fn a_document_that_is_handed_over_stays_open_on_another_node() {
    let pair = Pair::start_with(BY_RELAY).await;
    let Pair { node, alice, bob, document } = &pair;
    let peer = node.start_peer().await;
    let bobs = bob.at(&peer);
    let (tab, editor) = (bobs.open(*document).await, bobs.open_editor(*document).await);

    alice.run(DELETE, json!({ "password": PASSWORD, "to": bob.id })).await.value();

    expect_eventually("the new owner", async || {
        bobs.read(*document).await["owner"]["name"] == "Bob"
    })
    .await;
    tab.write(*document, "Mine now.").await.value();
    editor.expect_text("Mine now.").await;
    expect_eventually("the end of the account", async || {
        peer.store().find_erasure(alice.id).await.unwrap().is_none()
    })
    .await;
    pair.stop_with(peer, (tab, editor)).await;
}

#[actix_web::test]
async fn another_node_goes_on_with_a_deletion_that_was_left() {
    let pair = Pair::start().await;
    let Pair { node, alice, bob, document } = &pair;
    let peer = node.start_peer().await;
    let tab = bob.at(&peer).open(*document).await;
    let store = peer.store();
    let by = coscribe::store::ErasedBy::Operator;

    let (_, erasure) = store.begin_erasure(alice.id, None, by).await.unwrap();
    store.leave_erasure(erasure).await.unwrap();

    assert_eq!(tab.expect_change().await["kind"], "DELETED");
    expect_eventually("the end of the account", async || {
        store.find_erasure(alice.id).await.unwrap().is_none()
    })
    .await;
    pair.stop_with(peer, tab).await;
}
