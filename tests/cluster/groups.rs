//! Groups that change on one node, for members whose sessions are on another.

use kit::{Application, Client as _, Node as _, Pair};
use serde_json::json;

#[actix_web::test]
async fn a_member_who_leaves_loses_access_on_every_node() {
    // No node reconciles in time, so only the relay can bring it.
    let pair = Pair::start_with(&[("COSCRIBE__ROOM__COMPARE_EVERY", "1h")]).await;
    let Pair { node, alice, .. } = &pair;
    let itself = Application::register(node, "wiki").await.itself(node).await;
    let peer = node.start_peer().await;
    let document = alice.create_document("Plan", "Hello").await;
    let grant = "mutation($id: ID!) { grantGroupAccess(documentId: $id, level: EDIT,
        group: \"Writers\", source: \"wiki\") { group { id } } }";
    let change = "mutation($joining: [ID!]!, $leaving: [ID!]!) {
        changeGroup(group: \"Writers\", joining: $joining, leaving: $leaving) }";
    itself.run(change, json!({ "joining": [alice.id], "leaving": [] })).await.value();
    let granted = alice.run(grant, json!({ "id": document })).await.value();
    let (cleo, dan) = (node.person("Cleo").await, node.person("Dan").await);
    let both = json!({ "joining": [cleo.id, dan.id], "leaving": [] });
    itself.run(change, both).await.value();
    let (tab, editor) =
        (cleo.at(&peer).open(document).await, cleo.at(&peer).open_editor(document).await);
    let dans = (dan.at(&peer).open(document).await, dan.at(&peer).open_editor(document).await);

    itself.run(change, json!({ "joining": [], "leaving": [cleo.id] })).await.value();
    assert_eq!(tab.socket.expect_error(&tab.changes).await, "FORBIDDEN");
    assert_eq!(editor.expect_close().await.0, 4403);

    let revoke =
        "mutation($id: ID!, $group: ID!) { revokeGroupAccess(documentId: $id, groupId: $group) }";
    let variables = json!({ "id": document, "group": granted["group"]["id"] });
    alice.run(revoke, variables).await.value();
    assert_eq!(dans.0.socket.expect_error(&dans.0.changes).await, "FORBIDDEN");
    assert_eq!(dans.1.expect_close().await.0, 4403);
    pair.stop_with(peer, (tab, editor, dans)).await;
}
