//! Nodes that die or sleep: what they held is free again, nobody stays behind as a ghost, and nobody flickers.

use coscribe::domain::DocumentId;
use serde_json::{Value, json};

use crate::{
    process::{Cluster, alice_and_bob},
    support::{Client, Person, Tab, within},
};

async fn sessions(who: &impl Client, document: DocumentId) -> Vec<Value> {
    let present = who.presence(document).await.value();
    present.as_array().unwrap().iter().map(|entry| entry["sessionId"].clone()).collect()
}

async fn until_present(who: &impl Client, document: DocumentId, expected: &[&Tab]) {
    let expected: Vec<_> = expected.iter().map(|tab| json!(tab.session())).collect();
    let there = async { while sessions(who, document).await != expected {} };
    within("the list of those who are present", there).await;
}

#[actix_web::test]
async fn of_a_node_that_was_killed_nobody_stays_present_and_every_departure_is_told_once() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node().await, cluster.node().await];
    let doomed = cluster.node().await;
    let (alice, bob, document) = alice_and_bob(&nodes[0]).await;
    let readers =
        [alice.open(document).await, alice.at_address(nodes[1].address()).open(document).await];
    readers[0].expect_joined(&alice).await;
    let there = bob.at_address(doomed.address());
    let ghosts = [there.open(document).await, there.open(document).await];
    for reader in &readers {
        for _ in &ghosts {
            reader.expect_joined(&bob).await;
        }
    }

    doomed.kill().await;

    for reader in &readers {
        let mut left = Vec::new();
        for _ in &ghosts {
            left.push(reader.expect_left(&bob).await["sessionId"].clone());
        }
        let mut expected: Vec<_> = ghosts.iter().map(|ghost| json!(ghost.session())).collect();
        left.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(left, expected);
    }
    until_present(&alice, document, &[&readers[0], &readers[1]]).await;
    // Somebody comes and goes: the marker that shows that nothing was told twice.
    let marker = bob.at_address(nodes[1].address()).open(document).await;
    for reader in &readers {
        assert_eq!(reader.expect_joined(&bob).await["sessionId"], json!(marker.session()));
        reader.expect_nothing_left();
    }
}

#[actix_web::test]
async fn the_slots_of_a_node_that_was_killed_are_free_again() {
    let cluster = Cluster::new().await;
    let (node, doomed) = (cluster.node().await, cluster.node().await);
    let (alice, _, _) = alice_and_bob(&node).await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(alice.at_address(doomed.address()).connect().await);
    }
    assert!(alice.try_to_connect().await.is_err());

    doomed.kill().await;

    let free = async {
        let mut sockets = Vec::new();
        while sockets.len() < 10 {
            sockets.extend(alice.try_to_connect().await.ok());
        }
        assert!(alice.try_to_connect().await.is_err(), "and not one more");
    };
    within("ten free slots", free).await;
}

#[actix_web::test]
async fn a_node_that_slept_longer_than_its_lease_brings_no_ghosts_back_and_nobody_else_flickers() {
    let cluster = Cluster::new().await;
    let (node, sleeper) = (cluster.node().await, cluster.node().await);
    let (alice, bob, document) = alice_and_bob(&node).await;
    let there = alice.at_address(sleeper.address());
    let (alices, bobs) =
        (alice.open(document).await, bob.at_address(sleeper.address()).open(document).await);
    alices.expect_joined(&bob).await;
    let stays = there.open(document).await;
    alices.expect_joined(&alice).await;
    bobs.expect_joined(&alice).await;

    sleeper.pause();
    assert_eq!(departures(&alices, 2).await.len(), 2, "both count as gone");
    // Bob hangs up while his node sleeps; Alice's other tab waits.
    let gone = bobs.session();
    drop(bobs);
    // A change is made meanwhile.
    bob.write(document, "While you slept.").await.value();
    alices.expect_version(2).await;
    sleeper.resume();

    // Who hung up does not come back, who waited does.
    let back = alices.expect_joined(&alice).await;
    assert_eq!(back["sessionId"], json!(stays.session()));
    assert_ne!(back["sessionId"], json!(gone));
    assert_eq!(stays.expect_version(2).await["content"], "While you slept.");
    stays.expect_left(&bob).await;
    until_present(&alice, document, &[&alices, &stays]).await;
    until_present(&there, document, &[&alices, &stays]).await;
    // Both still hear each other, and nothing else was told.
    stays.move_cursor(document, 0, 1).await.value();
    alices.expect_cursor().await;
    alices.move_cursor(document, 0, 1).await.value();
    stays.expect_cursor().await;
    alices.expect_nothing_left();
    stays.expect_nothing_left();
}

/// So many departures: their sessions.
async fn departures(tab: &Tab, count: usize) -> Vec<Value> {
    let mut left = Vec::new();
    while left.len() < count {
        let change = tab.socket.expect_next(&tab.presence).await;
        assert_eq!(change["kind"], "LEFT", "{change:#}");
        left.push(change["presence"]["sessionId"].clone());
    }
    left
}

#[actix_web::test]
async fn a_node_that_is_stopped_in_order_takes_its_people_along_at_once() {
    let cluster = Cluster::new().await;
    let (node, other) = (cluster.node().await, cluster.node().await);
    let (alice, bob, document) = alice_and_bob(&node).await;
    let alices = alice.open(document).await;
    let bobs = bob.at_address(other.address()).open(document).await;
    alices.expect_joined(&bob).await;

    let (close, ()) = futures_util::join!(bobs.socket.expect_close(), other.stop());

    assert_eq!(close.0, 1001);
    alices.expect_left(&bob).await;
    alices.expect_nothing_left();
    until_present(&alice, document, &[&alices]).await;
    // The lease is given back, too: nobody has to sweep.
    node.until_meter("coscribe_nodes", |nodes| nodes == 1.0).await;
    node.until_meter("coscribe_roster_swept_total", |swept| swept == 0.0).await;
}
