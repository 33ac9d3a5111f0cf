//! Nodes that die or pause: their slots are released and their sessions leave, and no other session leaves or joins.

use coscribe::{
    domain::{DocumentId, SessionId, UserId},
    wire::envelope::Incarnation,
};
use kit::{Client, Cluster, Node as _, Tab, expect_eventually, within};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use crate::SERVER;

/// Waits until exactly the sessions of these tabs are listed.
async fn expect_present(client: &impl Client, document: DocumentId, tabs: &[&Tab]) {
    let expected: Vec<_> = tabs.iter().map(|tab| json!(tab.session())).collect();
    let is_listed = async || client.present_sessions(document).await == expected;
    expect_eventually("the list of those who are present", is_listed).await;
}

#[actix_web::test]
async fn the_sessions_of_a_killed_node_leave_once() {
    let cluster = Cluster::new(SERVER).await;
    let nodes = [cluster.start_node().await, cluster.start_node().await];
    let doomed = cluster.start_node().await;
    let (alice, bob, document) = nodes[0].alice_and_bob().await;
    let readers = [alice.open(document).await, alice.at(&nodes[1]).open(document).await];
    readers[0].expect_joined(&alice).await;
    let there = bob.at(&doomed);
    let bobs_tabs = [there.open(document).await, there.open(document).await];
    for reader in &readers {
        for _ in &bobs_tabs {
            reader.expect_joined(&bob).await;
        }
    }

    doomed.kill().await;

    for reader in &readers {
        let mut left = Vec::new();
        for _ in &bobs_tabs {
            left.push(reader.expect_left(&bob).await["sessionId"].clone());
        }
        let mut expected: Vec<_> = bobs_tabs.iter().map(|tab| json!(tab.session())).collect();
        left.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(left, expected);
    }
    expect_present(&alice, document, &[&readers[0], &readers[1]]).await;
    // A further arrival: a marker that shows that nothing is delivered twice.
    let marker = bob.at(&nodes[1]).open(document).await;
    for reader in &readers {
        assert_eq!(reader.expect_joined(&bob).await["sessionId"], json!(marker.session()));
        reader.assert_nothing_unread();
    }
    drop((readers, marker));
    cluster.stop(nodes).await;
}

#[actix_web::test]
async fn the_slots_of_a_killed_node_are_released() {
    let cluster = Cluster::new(SERVER).await;
    let (node, doomed) = (cluster.start_node().await, cluster.start_node().await);
    let (alice, _, _) = node.alice_and_bob().await;
    let mut sockets = Vec::new();
    for _ in 0..10 {
        sockets.push(alice.at(&doomed).connect().await);
    }
    assert!(alice.try_connect().await.is_err());

    doomed.kill().await;

    let free = async {
        let mut sockets = Vec::new();
        while sockets.len() < 10 {
            sockets.extend(alice.try_connect().await.ok());
        }
        assert!(alice.try_connect().await.is_err(), "an eleventh connection was admitted");
    };
    within("ten free slots", free).await;
    cluster.stop([node]).await;
}

#[actix_web::test]
async fn a_node_paused_beyond_its_lease_restores_only_connected_sessions() {
    let cluster = Cluster::new(SERVER).await;
    let (node, paused) = (cluster.start_node().await, cluster.start_node().await);
    let (alice, bob, document) = node.alice_and_bob().await;
    let there = alice.at(&paused);
    let alices_tab = alice.open(document).await;
    let bobs_tab = bob.at(&paused).open(document).await;
    alices_tab.expect_joined(&bob).await;
    let other_tab = there.open(document).await;
    alices_tab.expect_joined(&alice).await;
    bobs_tab.expect_joined(&alice).await;

    paused.pause();
    assert_eq!(expect_departures(&alices_tab, 2).await.len(), 2, "both have left");
    // Bob hangs up while the node is paused. Alice's other tab stays connected.
    let bobs_session = bobs_tab.session();
    drop(bobs_tab);
    // Meanwhile the document changes.
    bob.write(document, "Written meanwhile.").await.value();
    alices_tab.expect_version(2).await;
    paused.resume();

    // The session that stayed connected joins again, the other one does not.
    let rejoined = alices_tab.expect_joined(&alice).await;
    assert_eq!(rejoined["sessionId"], json!(other_tab.session()));
    assert_ne!(rejoined["sessionId"], json!(bobs_session));
    assert_eq!(other_tab.expect_version(2).await["content"], "Written meanwhile.");
    other_tab.expect_left(&bob).await;
    expect_present(&alice, document, &[&alices_tab, &other_tab]).await;
    expect_present(&there, document, &[&alices_tab, &other_tab]).await;
    // Both receive the events of each other, and no others.
    other_tab.move_cursor(document, 0, 1).await.value();
    alices_tab.expect_cursor().await;
    alices_tab.move_cursor(document, 0, 1).await.value();
    other_tab.expect_cursor().await;
    alices_tab.assert_nothing_unread();
    other_tab.assert_nothing_unread();
    drop((alices_tab, other_tab));
    cluster.stop([node, paused]).await;
}

/// Waits for departures. Returns their sessions.
async fn expect_departures(tab: &Tab, count: usize) -> Vec<Value> {
    let mut left = Vec::new();
    while left.len() < count {
        let change = tab.socket.expect_next(&tab.presence).await;
        assert_eq!(change["kind"], "LEFT", "{change:#}");
        left.push(change["presence"]["sessionId"].clone());
    }
    left
}

#[actix_web::test]
async fn the_sessions_of_a_stopped_node_leave_at_once() {
    let cluster = Cluster::new(SERVER).await;
    let (node, other) = (cluster.start_node().await, cluster.start_node().await);
    let (alice, bob, document) = node.alice_and_bob().await;
    let alices_tab = alice.open(document).await;
    let bobs_tab = bob.at(&other).open(document).await;
    alices_tab.expect_joined(&bob).await;

    let (close, ()) = futures_util::join!(bobs_tab.socket.expect_close(), other.terminate());

    assert_eq!(close.0, 1001);
    alices_tab.expect_left(&bob).await;
    alices_tab.assert_nothing_unread();
    expect_present(&alice, document, &[&alices_tab]).await;
    // The lease is released too, so no other node has to sweep it.
    node.expect_metric("coscribe_nodes", 1).await;
    node.expect_metric("coscribe_roster_swept_total", 0).await;
    drop(alices_tab);
    cluster.stop([node]).await;
}

#[actix_web::test]
async fn a_dead_node_that_one_node_sweeps_is_left_to_it_until_it_stops() {
    let cluster = Cluster::new(SERVER).await;
    let node = cluster.start_node().await;
    let (mut connection, keys) = (cluster.connect_to_redis().await, cluster.keys());
    // A dead node with one slot, and a node that sweeps it: the test, which is in no hurry.
    let (dead, user, session) = (Incarnation::new_v4(), UserId::new(), SessionId::new());
    let (slots, member) = (keys.slots(user), format!("{dead}:3"));
    let entry = [&b"s"[..], user.uuid().as_bytes(), session.uuid().as_bytes()].concat();
    let writes = [
        redis::cmd("ZADD").arg(keys.nodes()).arg(-1).arg(&member).take(),
        redis::cmd("SADD").arg(keys.entered(dead)).arg(entry).take(),
        redis::cmd("HSET").arg(&slots).arg(session.uuid().as_bytes()).arg(dead.as_bytes()).take(),
    ];
    for write in writes {
        write.query_async::<()>(&mut connection).await.unwrap();
    }
    // Twice as long as a lease.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(12) {
        let mut next_round = redis::cmd("ZINCRBY");
        next_round.arg(keys.nodes()).arg(-1).arg(&member);
        next_round.query_async::<()>(&mut connection).await.unwrap();
        let mut taken = redis::cmd("HLEN");
        assert_eq!(taken.arg(&slots).query_async::<u64>(&mut connection).await.unwrap(), 1);
    }

    let is_swept = async || {
        let mut connection = connection.clone();
        let mut listed = redis::cmd("ZSCORE");
        listed.arg(keys.nodes()).arg(&member);
        listed.query_async::<Option<i64>>(&mut connection).await.unwrap().is_none()
    };
    expect_eventually("the end of the sweep", is_swept).await;
    let mut taken = redis::cmd("HLEN");
    assert_eq!(taken.arg(&slots).query_async::<u64>(&mut connection).await.unwrap(), 0);
    node.expect_metric("coscribe_roster_swept_total", 1).await;
    cluster.stop([node]).await;
}
