//! Document tokens that end on one node, for users who are on another.

use chrono::{TimeDelta, Utc};
use kit::{Application, Client as _, Pair, Person};
use serde_json::{Value, json};

/// No node compares in time, so only the relay can bring the end.
const BY_RELAY: &[(&str, &str)] = &[("COSCRIBE__ROOM__COMPARE_EVERY", "1h")];

const SIGNED_OUT: u16 = 4403;

async fn end(itself: &Person, by: Value) {
    let operation = "mutation($tokenId: String, $subject: String) {
        endDocumentTokens(tokenId: $tokenId, subject: $subject) }";
    itself.run(operation, by).await.value();
}

#[actix_web::test]
async fn the_end_of_a_token_reaches_the_other_node() {
    for by in [json!({ "tokenId": "id of Eve" }), json!({ "subject": "Eve" })] {
        let pair = Pair::start_with(BY_RELAY).await;
        let Pair { node, document, .. } = &pair;
        let wiki = Application::register(node, "wiki").await;
        let peer = node.start_peer().await;
        let itself = wiki.itself(node).await;
        let eve = wiki.user(&peer, "Eve", *document, "EDIT").await;
        let (tab, editor) = (eve.open(*document).await, eve.open_editor(*document).await);

        end(&itself, by).await;

        assert_eq!(editor.expect_close().await.0, SIGNED_OUT);
        assert_eq!(tab.socket.expect_close().await.0, SIGNED_OUT);
        pair.stop_with(peer, (tab, editor)).await;
    }
}

#[actix_web::test]
async fn access_ends_on_the_other_node_although_the_session_stays() {
    let pair = Pair::start_with(BY_RELAY).await;
    let Pair { node, document, .. } = &pair;
    let wiki = Application::register(node, "wiki").await;
    let peer = node.start_peer().await;
    let itself = wiki.itself(node).await;
    let eve = wiki.user(&peer, "Eve", *document, "EDIT").await;
    let other = eve.with_token(wiki.token("Eve", json!({ "jti": "other" })));
    let (tab, editor) = (other.open(*document).await, other.open_editor(*document).await);

    end(&itself, json!({ "tokenId": "id of Eve" })).await;

    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert_eq!(tab.write(*document, "x").await.code(), "FORBIDDEN");
    pair.stop_with(peer, (tab, editor)).await;
}

#[actix_web::test]
async fn a_grant_ends_on_every_node() {
    let pair = Pair::start_with(BY_RELAY).await;
    let peer = pair.node.start_peer().await;
    let bob = pair.bob.at(&peer);
    let (tab, editor) = (bob.open(pair.document).await, bob.open_editor(pair.document).await);

    let operation = "mutation($id: ID!, $user: ID!, $endsAt: DateTime) {
        grantAccess(documentId: $id, level: EDIT, userId: $user, endsAt: $endsAt) { level } }";
    let ends_at = Utc::now() + TimeDelta::seconds(2);
    let variables = json!({ "id": pair.document, "user": bob.id, "endsAt": ends_at });
    pair.alice.run(operation, variables).await.value();

    assert_eq!(editor.expect_close().await.0, 4403);
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    pair.stop_with(peer, (tab, editor)).await;
}
