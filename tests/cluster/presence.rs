//! One list of those who are there, whichever nodes they are on.

use coscribe::domain::DocumentId;
use serde_json::{Value, json};

use crate::support::{Client, Pair, within};

async fn sessions(who: &impl Client, document: DocumentId) -> Vec<Value> {
    let present = who.presence(document).await.value();
    present.as_array().unwrap().iter().map(|entry| entry["sessionId"].clone()).collect()
}

#[actix_web::test]
async fn arrivals_departures_and_cursors_of_one_node_are_told_on_the_other_once() {
    let pair = Pair::meet().await;
    let other = pair.node.beside().await;
    let Pair { alice, bob, document, .. } = &pair;
    let alices = alice.open(*document).await;
    let bobs = bob.at(&other).open(*document).await;
    alices.expect_joined(bob).await;

    bobs.move_cursor(*document, 2, 5).await.value();
    let moved = alices.expect_cursor().await;
    assert_eq!(
        (&moved["sessionId"], &moved["cursor"]["line"]),
        (&json!(bobs.session()), &json!(2))
    );
    assert_eq!(moved["user"]["name"], "Bob");
    alices.move_cursor(*document, 1, 1).await.value();
    assert_eq!(bobs.expect_cursor().await["sessionId"], json!(alices.session()));

    let both = vec![json!(alices.session()), json!(bobs.session())];
    assert_eq!(sessions(alice, *document).await, both);
    let there = async { while sessions(&bob.at(&other), *document).await != both {} };
    within("one list everywhere", there).await;

    // A third tab comes and goes: the marker that shows that nothing was told twice.
    let carols = bob.at(&other).open(*document).await;
    assert_eq!(alices.expect_joined(bob).await["sessionId"], json!(carols.session()));
    assert_eq!(bobs.expect_joined(bob).await["sessionId"], json!(carols.session()));
    let gone = carols.session();
    carols.socket.close().await;
    assert_eq!(alices.expect_left(bob).await["sessionId"], json!(gone));
    assert_eq!(bobs.expect_left(bob).await["sessionId"], json!(gone));
    bobs.socket.close().await;
    alices.expect_left(bob).await;
    alices.expect_nothing_left();
    drop(alices);
    other.stop().await;
    pair.node.stop().await;
}

#[actix_web::test]
async fn who_opens_a_document_finds_those_on_other_nodes_and_is_told_when_they_leave() {
    let pair = Pair::meet().await;
    let other = pair.node.beside().await;
    let Pair { alice, bob, document, .. } = &pair;
    let bobs = bob.at(&other).open(*document).await;
    let alices = alice.open(*document).await;
    bobs.expect_joined(alice).await;
    let there = async { while sessions(alice, *document).await.len() != 2 {} };
    within("Bob in the list of Alice's node", there).await;

    bobs.socket.close().await;
    alices.expect_left(bob).await;
    alices.expect_nothing_left();
    drop(alices);
    other.stop().await;
    pair.node.stop().await;
}

#[actix_web::test]
async fn a_cursor_that_is_sent_over_http_to_another_node_moves_the_session_that_it_names() {
    let pair = Pair::meet().await;
    let other = pair.node.beside().await;
    let Pair { alice, bob, document, .. } = &pair;
    let alices = alice.open(*document).await;
    let bobs = bob.open(*document).await;
    alices.expect_joined(bob).await;

    // A balancer sends his request somewhere else.
    let elsewhere = bob.at(&other).naming(bobs.session());
    let there =
        async { while !elsewhere.presence(*document).await.value().to_string().contains("Bob") {} };
    within("Bob's entry in the shared roster", there).await;
    elsewhere.move_cursor(*document, 7, 3).await.value();

    let moved = alices.expect_cursor().await;
    assert_eq!(
        (&moved["sessionId"], &moved["cursor"]["line"]),
        (&json!(bobs.session()), &json!(7))
    );
    bobs.expect_nothing_left();
    // And a session of somebody else is nobody's.
    let foreign = alice.at(&other).naming(bobs.session());
    let refused = foreign.move_cursor(*document, 1, 1).await;
    assert_eq!(refused.code(), "BAD_USER_INPUT");
    pair.end_with(other, (alices, bobs)).await;
}
