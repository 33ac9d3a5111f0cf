//! Who is there: one list for both protocols, and nobody is somebody else.

use serde_json::{Value, json};

use crate::support::{Client as _, Pair, Person, editor::Heard};

fn sees(heard: &Heard, person: &Person) -> bool {
    heard.state_of(person).is_some()
}

/// A place in the text as editors write it: that of the insertion with this clock.
fn place(client: u64, clock: u32) -> Value {
    json!({ "type": null, "tname": "content", "item": { "client": client, "clock": clock }, "assoc": 0 })
}

#[actix_web::test]
async fn an_editor_is_whom_its_token_says() {
    let pair = Pair::meet().await;
    let tab = pair.alice.open(pair.document).await;
    let (alices, bobs) = (pair.alice.edit(pair.document).await, pair.bob.edit(pair.document).await);
    tab.expect_joined(&pair.alice).await;
    let joined = tab.expect_joined(&pair.bob).await;

    let claim = json!({ "user": { "name": "Alice", "id": pair.alice.id.to_string(), "color": "red" }, "mine": 5 });
    bobs.say(bobs.client, 1, &claim).await;
    let heard = alices.until("Bob says something", |heard| sees(heard, &pair.bob)).await;
    let state = heard.state_of(&pair.bob).unwrap();
    assert_eq!((&state["user"]["name"], &state["mine"]), (&json!("Bob"), &json!(5)));
    assert_eq!(state["user"]["color"], joined["color"]);
    assert_eq!(state["user"]["sessionId"], joined["sessionId"]);
    assert!(heard.others.contains_key(&bobs.client));
    pair.end((tab, alices, bobs)).await;
}

#[actix_web::test]
async fn nobody_speaks_for_somebody_else_and_who_has_gone_is_gone() {
    let pair = Pair::meet().await;
    let carol = pair.node.person("Carol").await;
    pair.alice.grant(pair.document, &carol, "VIEW").await.value();
    let (alices, bobs) = (pair.alice.edit(pair.document).await, pair.bob.edit(pair.document).await);
    let carols = carol.edit(pair.document).await;
    for (editor, name) in [(&alices, "a"), (&bobs, "b"), (&carols, "c")] {
        editor.say(editor.client, 1, &json!({ "says": name })).await;
    }
    alices.until("both are there", |heard| sees(heard, &pair.bob) && sees(heard, &carol)).await;
    bobs.until("both are there", |heard| sees(heard, &pair.alice) && sees(heard, &carol)).await;

    // Neither takes Bob away, nor brings back who has left.
    carols.say(bobs.client, 99, &Value::Null).await;
    carols.say(bobs.client, 100, &json!({ "says": "not Bob" })).await;
    drop(bobs);
    let clients = alices.until("Bob has gone", |heard| !sees(heard, &pair.bob)).await.others;
    let bobs_client = *clients.iter().find(|(_, (_, state))| state.is_none()).unwrap().0;
    carols.say(bobs_client, 101, &json!({ "says": "the ghost of Bob" })).await;
    carols.say(carols.client, 2, &json!({ "says": "done" })).await;
    let heard = alices
        .until("Carol is done", |heard| heard.state_of(&carol).is_some_and(|s| s["says"] == "done"))
        .await;
    assert_eq!(heard.others[&bobs_client].1, None);
    assert_eq!(heard.states().len(), 1);
    pair.end((alices, carols)).await;
}

#[actix_web::test]
async fn cursors_go_over_from_one_protocol_to_the_other() {
    let pair = Pair::meet().await;
    let tab = pair.alice.open(pair.document).await;
    let bobs = pair.bob.edit(pair.document).await;
    bobs.insert(0, "one\ntwo\n").await;
    tab.expect_version(2).await;

    let cursor = json!({ "anchor": place(bobs.client, 5), "head": place(bobs.client, 6) });
    bobs.say(bobs.client, 1, &json!({ "cursor": cursor })).await;
    let moved = tab.expect_cursor().await;
    let anchor = json!({ "line": 1, "column": 1 });
    assert_eq!(moved["cursor"], json!({ "line": 1, "column": 2, "anchor": anchor }));
    assert_eq!(moved["user"]["name"], "Bob");
    // A state without a place in the text has none.
    bobs.say(bobs.client, 2, &json!({ "cursor": { "anchor": place(7, 7), "head": place(7, 7) } }))
        .await;
    bobs.say(
        bobs.client,
        3,
        &json!({ "selection": { "anchor": place(bobs.client, 0), "head": place(bobs.client, 0) } }),
    )
    .await;
    assert_eq!(tab.expect_cursor().await["cursor"]["line"], 0);

    tab.move_cursor(pair.document, 1, 3).await.value();
    let heard = bobs
        .until("Alice's cursor", |heard| {
            heard.state_of(&pair.alice).is_some_and(|s| !s["cursor"].is_null())
        })
        .await;
    let state = heard.state_of(&pair.alice).unwrap();
    assert_eq!(state["cursor"]["head"]["item"], json!({ "client": bobs.client, "clock": 7 }));
    assert_eq!(state["selection"], state["cursor"]);
    pair.end((tab, bobs)).await;
}

#[actix_web::test]
async fn everybody_is_told_again_and_again_who_is_there_even_when_alone() {
    let pair = Pair::meet_with(&[("COSCRIBE__ROOM__AWARENESS_EVERY", "50ms")]).await;
    let bobs = pair.bob.edit(pair.document).await;
    bobs.until("something comes", |heard| heard.awareness >= 5).await;
    let tab = pair.alice.open(pair.document).await;
    let clock = |heard: &Heard| heard.others.values().map(|(clock, _)| *clock).max();
    let before = bobs.until("Alice is there", |heard| sees(heard, &pair.alice)).await;
    let later = bobs.heard().awareness + 5;
    let after = bobs.until("she is told again", |heard| heard.awareness > later).await;
    assert!(clock(&after) > clock(&before));
    drop(tab);
    bobs.until("Alice has gone", |heard| !sees(heard, &pair.alice)).await;
    pair.end(bobs).await;
}

#[actix_web::test]
async fn whoever_asks_is_told_who_is_there() {
    let pair = Pair::meet().await;
    let (alices, bobs) = (pair.alice.edit(pair.document).await, pair.bob.edit(pair.document).await);
    alices.say(alices.client, 1, &json!({ "says": "hello" })).await;
    bobs.until("Alice is there", |heard| sees(heard, &pair.alice)).await;
    let before = bobs.heard().awareness;
    bobs.send(&[3]).await;
    let heard = bobs.until("an answer", |heard| heard.awareness > before).await;
    assert!(sees(&heard, &pair.alice));
    pair.end((alices, bobs)).await;
}
