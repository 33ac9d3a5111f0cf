//! Awareness: one list of participants for both protocols, and no editor can pose as another user.

use kit::{Client as _, EditorState, Node as _, Pair};
use serde_json::{Value, json};

/// A relative position as editors write it: at the insertion with this clock.
fn position(client: u64, clock: u32) -> Value {
    json!({ "type": null, "tname": "content", "item": { "client": client, "clock": clock }, "assoc": 0 })
}

#[actix_web::test]
async fn the_server_sets_the_user_of_an_awareness_state() {
    let pair = Pair::start().await;
    let tab = pair.alice.open(pair.document).await;
    let (alices, bobs) = pair.open_editors().await;
    tab.expect_joined(&pair.alice).await;
    let joined = tab.expect_joined(&pair.bob).await;

    let claimed = json!({ "user": { "name": "Alice", "id": pair.alice.id.to_string(), "color": "red" }, "mine": 5 });
    bobs.send_awareness(bobs.client, 1, &claimed).await;
    let state = alices.expect("Bob's state", |state| state.shows(&pair.bob)).await;
    let shown = state.state_of(&pair.bob).unwrap();
    assert_eq!((&shown["user"]["name"], &shown["mine"]), (&json!("Bob"), &json!(5)));
    assert_eq!(shown["user"]["color"], joined["color"]);
    assert_eq!(shown["user"]["sessionId"], joined["sessionId"]);
    assert!(state.peers.contains_key(&bobs.client));
    pair.stop((tab, alices, bobs)).await;
}

#[actix_web::test]
async fn an_editor_cannot_change_the_awareness_of_another() {
    let pair = Pair::start().await;
    let carol = pair.node.person("Carol").await;
    pair.alice.grant(pair.document, &carol, "VIEW").await.value();
    let (alices, bobs) = pair.open_editors().await;
    let carols = carol.open_editor(pair.document).await;
    for (editor, name) in [(&alices, "a"), (&bobs, "b"), (&carols, "c")] {
        editor.send_awareness(editor.client, 1, &json!({ "message": name })).await;
    }
    alices
        .expect("the states of both", |state| state.shows(&pair.bob) && state.shows(&carol))
        .await;
    bobs.expect("the states of both", |state| state.shows(&pair.alice) && state.shows(&carol))
        .await;

    // Carol can neither remove nor change the entry of Bob, nor restore it after Bob has left.
    carols.send_awareness(bobs.client, 99, &Value::Null).await;
    carols.send_awareness(bobs.client, 100, &json!({ "message": "not Bob" })).await;
    drop(bobs);
    let clients =
        alices.expect("the departure of Bob", |state| !state.shows(&pair.bob)).await.peers;
    let bobs_client = *clients.iter().find(|(_, (_, state))| state.is_none()).unwrap().0;
    carols.send_awareness(bobs_client, 101, &json!({ "message": "a ghost of Bob" })).await;
    carols.send_awareness(carols.client, 2, &json!({ "message": "done" })).await;
    let state = alices
        .expect("Carol's last state", |state| {
            state.state_of(&carol).is_some_and(|s| s["message"] == "done")
        })
        .await;
    assert_eq!(state.peers[&bobs_client].1, None);
    assert_eq!(state.peer_states().len(), 1);
    pair.stop((alices, carols)).await;
}

#[actix_web::test]
async fn cursors_are_translated_between_the_protocols() {
    let pair = Pair::start().await;
    let tab = pair.alice.open(pair.document).await;
    let bobs = pair.bob.open_editor(pair.document).await;
    bobs.insert(0, "one\ntwo\n").await;
    tab.expect_version(2).await;

    let cursor = json!({ "anchor": position(bobs.client, 5), "head": position(bobs.client, 6) });
    bobs.send_awareness(bobs.client, 1, &json!({ "cursor": cursor })).await;
    let moved = tab.expect_cursor().await;
    let anchor = json!({ "line": 1, "column": 1 });
    assert_eq!(moved["cursor"], json!({ "line": 1, "column": 2, "anchor": anchor }));
    assert_eq!(moved["user"]["name"], "Bob");
    // A state whose positions are not in the text moves no cursor.
    bobs.send_awareness(
        bobs.client,
        2,
        &json!({ "cursor": { "anchor": position(7, 7), "head": position(7, 7) } }),
    )
    .await;
    bobs.send_awareness(
        bobs.client,
        3,
        &json!({ "selection": { "anchor": position(bobs.client, 0), "head": position(bobs.client, 0) } }),
    )
    .await;
    assert_eq!(tab.expect_cursor().await["cursor"]["line"], 0);

    tab.move_cursor(pair.document, 1, 3).await.value();
    let state = bobs
        .expect("Alice's cursor", |state| {
            state.state_of(&pair.alice).is_some_and(|s| !s["cursor"].is_null())
        })
        .await;
    let shown = state.state_of(&pair.alice).unwrap();
    assert_eq!(shown["cursor"]["head"]["item"], json!({ "client": bobs.client, "clock": 7 }));
    assert_eq!(shown["selection"], shown["cursor"]);
    pair.stop((tab, bobs)).await;
}

#[actix_web::test]
async fn awareness_is_repeated_at_its_interval() {
    let pair = Pair::start_with(&[("COSCRIBE__ROOM__AWARENESS_EVERY", "50ms")]).await;
    let bobs = pair.bob.open_editor(pair.document).await;
    bobs.expect("repeated messages to an editor that is alone", |state| {
        state.awareness_messages >= 5
    })
    .await;
    let tab = pair.alice.open(pair.document).await;
    let clock = |state: &EditorState| state.peers.values().map(|(clock, _)| *clock).max();
    let before = bobs.expect("Alice's state", |state| state.shows(&pair.alice)).await;
    let count = bobs.state().awareness_messages + 5;
    let after = bobs.expect("more messages", |state| state.awareness_messages > count).await;
    assert!(clock(&after) > clock(&before));
    drop(tab);
    bobs.expect("the departure of Alice", |state| !state.shows(&pair.alice)).await;
    pair.stop(bobs).await;
}

#[actix_web::test]
async fn a_query_for_awareness_is_answered() {
    let pair = Pair::start().await;
    let (alices, bobs) = pair.open_editors().await;
    alices.send_awareness(alices.client, 1, &json!({ "message": "hello" })).await;
    bobs.expect("Alice's state", |state| state.shows(&pair.alice)).await;
    let before = bobs.state().awareness_messages;
    bobs.send(&[3]).await;
    let state = bobs.expect("a reply", |state| state.awareness_messages > before).await;
    assert!(state.shows(&pair.alice));
    pair.stop((alices, bobs)).await;
}
