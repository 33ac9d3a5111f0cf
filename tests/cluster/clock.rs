//! Steps of Redis's clock. A step makes the leases in Redis end earlier or later than they should: here the test writes
//! them that way.

use coscribe::redis::Connection;
use kit::{Cluster, Node as _, expect_eventually};
use serde_json::json;

use crate::SERVER;

/// An hour, in milliseconds.
const HOUR: i64 = 3_600_000;

/// The nodes in Redis, and when their leases end.
async fn leases(connection: &Connection, nodes: &str) -> Vec<(String, i64)> {
    let mut connection = connection.clone();
    let range = redis::cmd("ZRANGE").arg(nodes).arg(&["0", "-1", "WITHSCORES"]).take();
    range.query_async(&mut connection).await.unwrap()
}

/// Moves the ends of all leases.
async fn move_leases(connection: &Connection, nodes: &str, by: i64) {
    let mut connection = connection.clone();
    let script = redis::Script::new(
        "for _, node in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
            redis.call('ZINCRBY', KEYS[1], ARGV[1], node)
        end",
    );
    script.key(nodes).arg(by).invoke_async::<()>(&mut connection).await.unwrap();
}

#[actix_web::test]
async fn a_step_of_redis_clock_forward_declares_no_node_dead() {
    let cluster = Cluster::new(SERVER).await;
    let nodes = [cluster.start_node().await, cluster.start_node().await];
    let (alice, bob, document) = nodes[0].alice_and_bob().await;
    let alices_tab = alice.open(document).await;
    let bobs_tab = bob.at(&nodes[1]).open(document).await;
    alices_tab.expect_joined(&bob).await;
    let (connection, key) = (cluster.connect_to_redis().await, cluster.keys().nodes());

    for _ in 0..10 {
        // As if an hour had passed at once: every lease has ended.
        let before = leases(&connection, &key).await;
        move_leases(&connection, &key, -HOUR).await;
        let are_renewed = async || {
            let after = leases(&connection, &key).await;
            after.iter().zip(&before).all(|((_, after), (_, before))| *after > before - HOUR / 2)
        };
        expect_eventually("the renewal of all leases", are_renewed).await;
    }

    for node in &nodes {
        node.expect_metric("coscribe_nodes", 2).await;
        node.expect_metric("coscribe_roster_swept_total", 0).await;
        node.expect_metric("coscribe_roster_incarnations_total", 0).await;
    }
    // A marker: no session has left before it.
    let bobs_session = bobs_tab.session();
    bobs_tab.socket.close().await;
    assert_eq!(alices_tab.expect_left(&bob).await["sessionId"], json!(bobs_session));
    alices_tab.assert_nothing_unread();
    drop(alices_tab);
    cluster.stop(nodes).await;
}

#[actix_web::test]
async fn a_step_of_redis_clock_back_does_not_keep_a_dead_node() {
    let cluster = Cluster::new(SERVER).await;
    let (node, doomed) = (cluster.start_node().await, cluster.start_node().await);
    let (alice, bob, document) = node.alice_and_bob().await;
    let alices_tab = alice.open(document).await;
    let _bobs_tab = bob.at(&doomed).open(document).await;
    alices_tab.expect_joined(&bob).await;

    doomed.kill().await;
    // As if the clock had gone back by an hour: the last lease of the killed node ends only then.
    let connection = cluster.connect_to_redis().await;
    move_leases(&connection, &cluster.keys().nodes(), HOUR).await;

    alices_tab.expect_left(&bob).await;
    node.expect_metric("coscribe_nodes", 1).await;
    alices_tab.assert_nothing_unread();
    drop(alices_tab);
    cluster.stop([node]).await;
}
