//! Presence: sessions join and leave, and the list of those that have a document open.

use chrono::{DateTime, Utc};
use kit::{Client, Node as _, Pair};
use serde_json::{Value, json};

#[actix_web::test]
async fn two_tabs_of_one_user_are_two_sessions_with_one_color() {
    let pair = Pair::start().await;
    let Pair { bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;

    let bobs_other_tab = bob.open(*document).await;

    let arrival = alices_tab.expect_joined(bob).await;
    assert_eq!(bobs_tab.expect_joined(bob).await, arrival);
    assert_eq!(arrival["sessionId"], json!(bobs_other_tab.session()));
    let present = bob.presence(*document).await.value();
    assert_eq!(present[1]["color"], present[2]["color"]);
    assert_eq!(present[1]["user"], present[2]["user"]);

    bobs_tab.socket.close().await;
    let departure = alices_tab.expect_left(bob).await;
    assert_eq!(departure["sessionId"], present[1]["sessionId"]);
    assert_eq!(bobs_other_tab.expect_left(bob).await, departure);
    bobs_other_tab.assert_nothing_unread();
    pair.stop((alices_tab, bobs_other_tab)).await;
}

#[actix_web::test]
async fn sessions_are_listed_in_order_of_joining_with_their_last_cursor() {
    let pair = Pair::start().await;
    let Pair { alice, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let selection = json!({ "line": 4, "column": 2, "anchor": { "line": 3, "column": 0 } });
    bobs_tab.move_cursor(*document, 1, 1).await.value();
    alices_tab.expect_cursor().await;
    bobs_tab.place_cursor(*document, selection.clone()).await.value();
    let moved = alices_tab.expect_cursor().await;

    let present = alice.presence(*document).await.value();

    assert_eq!(present.as_array().unwrap().len(), 2);
    assert_eq!(present[0]["sessionId"], json!(alices_tab.session()));
    assert_eq!(present[0]["user"]["name"], "Alice");
    assert_eq!(present[0]["cursor"], Value::Null);
    assert_eq!(present[1]["sessionId"], json!(bobs_tab.session()));
    assert_eq!(present[1]["cursor"], selection);
    assert_eq!(present[1]["color"], moved["color"]);
    let time = |value: &Value| value.as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert!(time(&present[0]["joinedAt"]) <= time(&present[1]["joinedAt"]));
    assert_eq!(time(&present[1]["lastSeen"]), time(&moved["movedAt"]));
    // The field of the document and the query over a socket return the same list.
    let operation = "query($id: ID!) { document(id: $id) { presence {
        documentId sessionId color joinedAt lastSeen user { id name }
        cursor { line column anchor { line column } } } } }";
    let shown = bob.run(operation, json!({ "id": document })).await.value();
    assert_eq!(shown["presence"], present);
    assert_eq!(bobs_tab.presence(*document).await.value(), present);
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn a_session_joins_with_its_first_subscription_and_leaves_with_its_last() {
    let pair = Pair::start().await;
    let Pair { node, bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let twice = bobs_tab.socket.subscribe("documentChanged", *document).await;
    let carol = node.person("Carol").await;
    pair.alice.grant(*document, &carol, "VIEW").await.value();

    for id in [&bobs_tab.presence, &bobs_tab.changes, &twice] {
        bobs_tab.socket.complete(id).await;
    }
    assert_eq!(bobs_tab.present_sessions(*document).await.len(), 2);
    let carols_tab = carol.open(*document).await;
    // Bob has not left: the next event is the arrival of Carol.
    alices_tab.expect_joined(&carol).await;
    bobs_tab.move_cursor(*document, 1, 1).await.value();
    alices_tab.expect_cursor().await;

    bobs_tab.socket.complete(&bobs_tab.cursors).await;

    alices_tab.expect_left(bob).await;
    carols_tab.expect_left(bob).await;
    assert_eq!(bobs_tab.present_sessions(*document).await.len(), 2);
    bobs_tab.socket.subscribe("cursorMoved", *document).await;
    alices_tab.expect_joined(bob).await;
    bobs_tab.assert_nothing_unread();
    pair.stop((alices_tab, bobs_tab, carols_tab)).await;
}

#[actix_web::test]
async fn a_session_leaves_when_its_connection_breaks() {
    let pair = Pair::start().await;
    let Pair { bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let session = bobs_tab.session();

    drop(bobs_tab);

    assert_eq!(alices_tab.expect_left(bob).await["sessionId"], json!(session));
    assert_eq!(alices_tab.present_sessions(*document).await, [json!(alices_tab.session())]);
    pair.stop(alices_tab).await;
}

#[actix_web::test]
async fn a_reload_leaves_and_joins() {
    let pair = Pair::start().await;
    let Pair { bob, document, .. } = &pair;
    let (alices_tab, bobs_tab) = pair.open().await;
    let before = bobs_tab.session();

    drop(bobs_tab);
    let bobs_tab = bob.open(*document).await;

    let mut events = vec![];
    for _ in 0..2 {
        let change = alices_tab.socket.expect_next(&alices_tab.presence).await;
        events.push((change["kind"].clone(), change["presence"]["sessionId"].clone()));
    }
    // The new page may join before the server notices that the old one has left.
    assert!(events.contains(&(json!("LEFT"), json!(before))), "{events:?}");
    assert!(events.contains(&(json!("JOINED"), json!(bobs_tab.session()))), "{events:?}");
    alices_tab.write(*document, "Still here?").await.value();
    bobs_tab.expect_version(2).await;
    assert_eq!(bob.present_sessions(*document).await.len(), 2);
    pair.stop((alices_tab, bobs_tab)).await;
}

#[actix_web::test]
async fn a_lingering_room_is_reused_after_a_reload() {
    let Pair { mut node, bob, document, .. } =
        Pair::start_with(&[("COSCRIBE__ROOM__LINGER", "1h")]).await;
    let before = bob.open(document).await;
    before.move_cursor(document, 1, 1).await.value();
    let color = bob.presence(document).await.value()[0]["color"].clone();

    drop(before);
    node.expect_metric("coscribe_members", 0).await;
    assert_eq!(node.metric("coscribe_rooms").await, 1);
    assert_eq!(bob.present_sessions(document).await, Vec::<Value>::new());
    let after = bob.open(document).await;

    let present = bob.presence(document).await.value();
    assert_eq!(present.as_array().unwrap().len(), 1);
    assert_eq!(present[0]["sessionId"], json!(after.session()));
    assert_eq!(present[0]["color"], color);
    assert_eq!(present[0]["cursor"], Value::Null);
    assert_eq!(node.metric("coscribe_rooms").await, 1);
    drop(after);
    // A node that stops does not wait for lingering rooms.
    node.restart().await;
    node.stop().await;
}

#[actix_web::test]
async fn a_session_may_have_several_documents_open() {
    let pair = Pair::start().await;
    let Pair { alice, bob, .. } = &pair;
    let other = alice.create_document("Project Beta", "").await;
    alice.grant(other, bob, "EDIT").await.value();
    let (alices_tab, bobs_tab) = pair.open().await;
    let presence = alices_tab.socket.subscribe("presenceUpdated", other).await;
    let changes = alices_tab.socket.subscribe("documentChanged", other).await;

    bobs_tab.socket.subscribe("cursorMoved", other).await;
    bob.write(other, "Elsewhere").await.value();

    let arrival = alices_tab.socket.expect_next(&presence).await;
    assert_eq!(arrival["documentId"], json!(other));
    assert_eq!(alices_tab.socket.expect_next(&changes).await["documentId"], json!(other));
    bobs_tab.socket.close().await;
    assert_eq!(alices_tab.socket.expect_next(&presence).await["kind"], "LEFT");
    alices_tab.expect_left(bob).await;
    alices_tab.assert_nothing_unread();
    pair.stop(alices_tab).await;
}
