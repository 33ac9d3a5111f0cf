//! Two collaborators: they share a document, see each other, and receive each other's changes.

use chrono::{DateTime, Utc};
use kit::{Client as _, Node as _, Pair, TestNode};
use serde_json::{Value, json};

#[actix_web::test]
async fn a_document_is_shared_by_email_address() {
    let node = TestNode::start().await;
    let (alice, bob) = (node.person("Alice").await, node.person("Bob").await);
    let document = alice.create_document("Project Alpha", "Welcome.").await;
    assert_eq!(bob.read(document).await, Value::Null);

    let granted = alice.grant(document, &bob, "EDIT").await.value();

    assert_eq!(granted["level"], "EDIT");
    // Whether the address has an account is not told.
    assert_eq!(granted["user"]["name"], "bob@example.org");
    let seen = bob.read(document).await;
    assert_eq!(seen["title"], "Project Alpha");
    assert_eq!(seen["content"], "Welcome.");
    assert_eq!(seen["version"], 1);
    assert_eq!(seen["access"], "EDIT");
    assert_eq!(seen["owner"], json!({ "id": alice.id, "name": "Alice" }));
    // Addresses are the business of owners.
    assert_eq!(seen["collaborators"], json!([]));
    assert_eq!(alice.read(document).await["collaborators"], json!([granted]));
    node.stop().await;
}

#[actix_web::test]
async fn collaborators_see_each_other_join_move_and_leave() {
    let pair = Pair::start().await;
    let Pair { document, .. } = &pair;
    let alices_tab = pair.alice.open(*document).await;
    let bobs_tab = pair.bob.open(*document).await;

    let arrival = alices_tab.expect_joined(&pair.bob).await;
    assert_eq!(arrival["documentId"], json!(document));
    assert_eq!(arrival["sessionId"], json!(bobs_tab.session()));
    assert_eq!(arrival["user"]["id"], json!(pair.bob.id));
    assert_eq!(arrival["cursor"], Value::Null);

    assert_eq!(bobs_tab.move_cursor(*document, 3, 14).await.value(), true);
    let cursor = alices_tab.expect_cursor().await;
    assert_eq!(cursor["cursor"], json!({ "line": 3, "column": 14, "anchor": null }));
    assert_eq!(cursor["sessionId"], json!(bobs_tab.session()));
    assert_eq!(cursor["user"], json!({ "id": pair.bob.id, "name": "Bob" }));
    assert_eq!(cursor["color"], arrival["color"]);

    let selection = json!({ "line": 0, "column": 0, "anchor": { "line": 1, "column": 7 } });
    alices_tab.place_cursor(*document, selection.clone()).await.value();
    assert_eq!(bobs_tab.expect_cursor().await["cursor"], selection);

    bobs_tab.socket.close().await;
    let departure = alices_tab.expect_left(&pair.bob).await;
    assert_eq!(departure["sessionId"], arrival["sessionId"]);
    assert_eq!(departure["cursor"]["line"], 3);
    // No session receives its own moves, nor the arrival of those who were there before it.
    alices_tab.assert_nothing_unread();
    pair.stop(alices_tab).await;
}

#[actix_web::test]
async fn a_change_is_stored_and_then_broadcast() {
    let pair = Pair::start().await;
    let Pair { document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;

    let answer = bobs_tab.write(*document, "Hello World").await.value();

    assert_eq!(answer["version"], 2);
    assert_eq!(answer["content"], "Hello World");
    let change = alices_tab.expect_change().await;
    let at: DateTime<Utc> = change["changedAt"].as_str().unwrap().parse().unwrap();
    assert!(at <= Utc::now());
    assert_eq!(answer["updatedAt"], change["changedAt"]);
    assert_eq!(
        change,
        json!({
            "documentId": document,
            "kind": "EDITED",
            "version": 2,
            "title": "Project Alpha",
            "content": "Hello World",
            "author": { "id": pair.bob.id, "name": "Bob" },
            "sessionId": bobs_tab.session(),
            "changedAt": change["changedAt"],
            "delta": [
                { "retain": null, "insert": "Hello World", "delete": null },
                { "retain": null, "insert": null, "delete": 8 },
            ],
            "update": change["update"],
        })
    );
    assert_eq!(pair.alice.read(*document).await["content"], "Hello World");
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn a_change_reaches_the_other_tabs_of_its_author_only() {
    let pair = Pair::start().await;
    let Pair { document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let bobs_other_tab = pair.bob.open(*document).await;

    bobs_tab.write(*document, "Hello World").await.value();
    bobs_tab.move_cursor(*document, 1, 1).await.value();

    bobs_other_tab.expect_version(2).await;
    bobs_other_tab.expect_cursor().await;
    alices_tab.write(*document, "Hello Bob").await.value();
    alices_tab.move_cursor(*document, 9, 9).await.value();
    bobs_tab.socket.expect_marker_next(&bobs_tab.changes, |change| change["version"] == 3).await;
    bobs_tab
        .socket
        .expect_marker_next(&bobs_tab.cursors, |cursor| cursor["cursor"]["line"] == 9)
        .await;
    pair.stop((alices_tab, bobs_tab, bobs_other_tab)).await;
}

#[actix_web::test]
async fn a_new_title_is_broadcast_as_renamed() {
    let pair = Pair::start().await;
    let Pair { document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;

    bobs_tab.rename(*document, "Project Beta").await.value();

    let change = alices_tab.expect_version(2).await;
    assert_eq!(change["kind"], "RENAMED");
    assert_eq!(change["title"], "Project Beta");
    assert_eq!(change["content"], "Welcome.");
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn a_title_and_a_text_in_one_update_make_two_versions() {
    let pair = Pair::start().await;
    let Pair { document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let both = json!({ "title": "Project Beta", "content": "Hello" });

    let answer = bobs_tab.update(*document, both).await.value();

    assert_eq!(answer["version"], 3);
    let renamed = alices_tab.expect_version(2).await;
    assert_eq!((&renamed["kind"], &renamed["content"]), (&json!("RENAMED"), &json!("Welcome.")));
    assert_eq!(renamed["title"], "Project Beta");
    let edited = alices_tab.expect_version(3).await;
    assert_eq!((&edited["kind"], &edited["content"]), (&json!("EDITED"), &json!("Hello")));
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn an_update_without_effect_makes_no_version() {
    let pair = Pair::start().await;
    let Pair { document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let same = json!({ "title": "Project Alpha", "content": "Welcome.", "baseVersion": 1 });

    assert_eq!(bobs_tab.update(*document, same).await.value()["version"], 1);

    bobs_tab.write(*document, "Marker").await.value();
    alices_tab
        .socket
        .expect_marker_next(&alices_tab.changes, |change| change["content"] == "Marker")
        .await;
    assert_eq!(pair.alice.read(*document).await["version"], 2);
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn a_deletion_is_the_last_event() {
    let pair = Pair::start().await;
    let Pair { document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;

    assert_eq!(alices_tab.delete(*document).await.value(), true);

    let change = bobs_tab.expect_version(2).await;
    assert_eq!(change["kind"], "DELETED");
    assert_eq!(change["title"], "Project Alpha");
    assert_eq!(change["content"], "");
    assert_eq!(change["author"]["name"], "Alice");
    for tab in [&alices_tab, &bobs_tab] {
        tab.socket.expect_complete(&tab.changes).await;
        tab.socket.expect_complete(&tab.presence).await;
        tab.socket.expect_complete(&tab.cursors).await;
        tab.assert_nothing_unread();
    }
    assert_eq!(pair.alice.read(*document).await, Value::Null);
    assert_eq!(bobs_tab.write(*document, "Too late").await.code(), "FORBIDDEN");
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn documents_survive_a_restart() {
    let Pair { mut node, alice, bob, document } = Pair::start().await;
    bob.write(document, "Hello World").await.value();
    bob.rename(document, "Project Beta").await.value();
    let before = alice.read(document).await;

    node.restart().await;

    let (alice, bob) = (alice.at(&node), bob.at(&node));
    assert_eq!(alice.read(document).await, before);
    let change = bob.write(document, "Good morning").await.value();
    assert_eq!(change["version"], 4);
    node.stop().await;
}

#[actix_web::test]
async fn nothing_remains_after_all_clients_have_left() {
    let pair = Pair::start().await;
    let (alices_tab, bobs_tab) = pair.open().await;

    alices_tab.socket.close().await;
    drop(bobs_tab);

    for gauge in ["active_websocket_connections", "coscribe_rooms", "coscribe_members"] {
        pair.node.expect_metric(gauge, 0).await;
    }
    for topic in ["changes", "presence", "cursors"] {
        let gauge = format!("active_subscriptions_total{{topic=\"{topic}\"}}");
        pair.node.expect_metric(&gauge, 0).await;
    }
    pair.node.stop().await;
}
