//! Sign-ins that end on one node, for sessions that are on another.

use kit::{Client as _, PASSWORD, Pair};
use serde_json::json;

/// The close frame of a session whose sign-in has ended.
fn signed_out() -> (u16, String) {
    (4403, "Signed out; sign in again".to_owned())
}

#[actix_web::test]
async fn signing_out_on_one_node_closes_the_connections_on_another() {
    // No node compares in time, so only the relay can bring the end.
    let pair = Pair::start_with(&[("COSCRIBE__ROOM__COMPARE_EVERY", "1h")]).await;
    let peer = pair.node.start_peer().await;
    let bob = pair.bob.at(&peer);
    let (socket, editor) = (bob.connect().await, bob.open_editor(pair.document).await);

    pair.bob.run("mutation { signOut }", json!({})).await.value();

    assert_eq!(socket.expect_close().await, signed_out());
    assert_eq!(editor.expect_close().await, signed_out());
    assert_eq!(bob.try_connect().await.err(), Some(signed_out()));
    pair.stop_with(peer, (socket, editor)).await;
}

#[actix_web::test]
async fn a_new_password_keeps_the_callers_socket_on_another_node() {
    let pair = Pair::start_with(&[("COSCRIBE__ROOM__COMPARE_EVERY", "1h")]).await;
    let peer = pair.node.start_peer().await;
    let bob = pair.bob.at(&peer);
    let (kept, other) = (bob.connect().await, bob.connect().await);

    let operation = "mutation($current: String!) {
        changePassword(currentPassword: $current, newPassword: \"another long password\") { token } }";
    let named = pair.bob.with_session(kept.session());
    named.run(operation, json!({ "current": PASSWORD })).await.value();

    assert_eq!(other.expect_close().await, signed_out());
    assert!(kept.run("{ me { id } }", json!({})).await.is_ok());
    pair.stop_with(peer, (kept, other)).await;
}

#[actix_web::test]
async fn without_the_relay_a_node_finds_the_end_in_the_database() {
    let pair = Pair::start().await;
    let peer = pair.node.start_peer_with(|settings| settings.redis.url = String::new()).await;
    let bob = pair.bob.at(&peer);
    let socket = bob.connect().await;
    pair.bob.run("mutation { signOutEverywhere }", json!({})).await.value();
    assert_eq!(socket.expect_close().await, signed_out());
    pair.stop_with(peer, socket).await;
}
