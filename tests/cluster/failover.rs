//! A Redis Cluster of which primaries fail, with their last writes or in order: no slot stays taken, no session that has
//! ended stays listed, and the nodes follow the hash slots to their new primaries.

use std::{cell::Cell, collections::HashSet};

use coscribe::{
    domain::{DocumentId, SessionId},
    redis::Connection,
    wire::envelope::Incarnation,
};
use futures_util::future::join_all;
use kit::{
    Client as _, Cluster, Node as _, NodeProcess, Person, RedisCluster, Tab, expect_eventually,
    within,
};
use serde_json::json;
use tokio::time::{Duration, timeout};

use crate::SERVER;

/// How long to wait for a cursor before the next one is sent.
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(500);

/// The number of visits during and after each failover.
const VISITS_EACH: u32 = 60;

/// The number of a user's slots that are taken.
pub(crate) async fn taken_slots(
    connection: &Connection,
    cluster: &Cluster,
    person: &Person,
) -> u64 {
    let mut connection = connection.clone();
    let slots = cluster.keys().slots(person.id);
    redis::cmd("HLEN").arg(slots).query_async(&mut connection).await.unwrap()
}

/// The incarnations of all nodes.
async fn incarnations(cluster: &Cluster) -> Vec<Incarnation> {
    let mut connection = cluster.connect_to_redis().await;
    let mut range = redis::cmd("ZRANGE");
    range.arg(cluster.keys().nodes()).arg(&[0, -1]);
    let members: Vec<String> = range.query_async(&mut connection).await.unwrap();
    members.iter().map(|member| member.split(':').next().unwrap().parse().unwrap()).collect()
}

/// Two users, and a document whose presence is on the same shard as Bob's slots.
struct OnOneShard {
    alice: Person,
    bob: Person,
    document: DocumentId,
    shard: usize,
}

impl OnOneShard {
    /// Creates them on a shard that does not have the index of a node. Otherwise a failover would bring back the index
    /// together with the entries.
    async fn apart_from_index(
        redis: &RedisCluster,
        cluster: &Cluster,
        node: &NodeProcess,
        incarnation: Incarnation,
    ) -> Self {
        let keys = cluster.keys();
        let index = redis.shard_of(&keys.entered(incarnation)).await;
        let alice = node.person("Alice").await;
        let mut number = 0;
        let (bob, shard) = loop {
            number += 1;
            let bob = node.person(&format!("Bob{number}")).await;
            let shard = redis.shard_of(&keys.slots(bob.id)).await;
            if shard != index {
                break (bob, shard);
            }
        };
        let document = loop {
            let document = alice.create_document("Plan", "Welcome.").await;
            if redis.shard_of(&keys.presence(document)).await == shard {
                break document;
            }
        };
        alice.grant(document, &bob, "EDIT").await.value();
        Self { alice, bob, document, shard }
    }
}

/// Reads presence events until, going by all of them, exactly these sessions are there besides the reader. Each session
/// must join and leave in turns.
async fn expect_present_by_events(reader: &Tab, expected: [SessionId; 2]) {
    let expected = HashSet::from(expected.map(|session| json!(session)));
    let mut sessions = HashSet::new();
    while sessions != expected {
        let change = reader.socket.expect_next(&reader.presence).await;
        let session = change["presence"]["sessionId"].clone();
        let is_in_turn = match change["kind"].as_str() {
            Some("JOINED") => sessions.insert(session),
            _ => sessions.remove(&session),
        };
        assert!(is_in_turn, "{change:#}");
    }
}

/// Waits until the relay and the roster of every node work.
pub(crate) async fn expect_all_up(nodes: impl IntoIterator<Item = &NodeProcess>) {
    for node in nodes {
        node.expect_metric("coscribe_relay_up", 1).await;
        node.expect_metric("coscribe_roster_up", 1).await;
    }
}

#[actix_web::test]
async fn a_session_whose_end_was_not_replicated_leaves_nothing_behind() {
    let mut redis = RedisCluster::start().await;
    let cluster = Cluster::on_redis(SERVER, &redis.url()).await;
    let bobs_node = cluster.start_node().await;
    let incarnation = incarnations(&cluster).await[0];
    let nodes = [cluster.start_node().await, bobs_node];
    let OnOneShard { alice, bob, document, shard } =
        OnOneShard::apart_from_index(&redis, &cluster, &nodes[0], incarnation).await;
    let alices_tab = alice.open(document).await;
    let bobs_tab = bob.at(&nodes[1]).open(document).await;
    alices_tab.expect_joined(&bob).await;

    redis.cut_replication(shard).await;
    bobs_tab.socket.close().await;
    alices_tab.expect_left(&bob).await;
    let connection = cluster.connect_to_redis().await;
    let is_released = async || taken_slots(&connection, &cluster, &bob).await == 0;
    expect_eventually("a free slot on the primary", is_released).await;
    redis.kill_primary(shard).await;

    // The replica still has Bob's slot and presence. The node of his session still runs, and removes both once more.
    let connection = cluster.connect_to_redis().await;
    let is_released = async || taken_slots(&connection, &cluster, &bob).await == 0;
    expect_eventually("a free slot on the new primary", is_released).await;
    let only_alice = [json!(alices_tab.session())];
    let is_listed = async || alice.present_sessions(document).await == only_alice;
    expect_eventually("a list without Bob", is_listed).await;
    expect_all_up(&nodes).await;
    drop(alices_tab);
    cluster.stop(nodes).await;
}

#[actix_web::test]
async fn a_dead_node_whose_sweep_was_not_replicated_leaves_nothing_behind() {
    let mut redis = RedisCluster::start().await;
    let cluster = Cluster::on_redis(SERVER, &redis.url()).await;
    let limit = [("COSCRIBE__LIMITS__CONNECTIONS_PER_USER", "2")];
    let doomed = cluster.start_node_with(&limit).await;
    let incarnation = incarnations(&cluster).await[0];
    let node = cluster.start_node_with(&limit).await;
    let OnOneShard { alice, bob, document, shard } =
        OnOneShard::apart_from_index(&redis, &cluster, &node, incarnation).await;
    let alices_tab = alice.open(document).await;
    let there = bob.at(&doomed);
    let bobs_tabs = [there.open(document).await, there.open(document).await];
    for _ in &bobs_tabs {
        alices_tab.expect_joined(&bob).await;
    }

    redis.cut_replication(shard).await;
    doomed.kill().await;
    for _ in &bobs_tabs {
        alices_tab.expect_left(&bob).await;
    }
    let connection = cluster.connect_to_redis().await;
    let is_released = async || taken_slots(&connection, &cluster, &bob).await == 0;
    expect_eventually("free slots on the primary", is_released).await;
    node.expect_metric("coscribe_nodes", 1).await;
    redis.kill_primary(shard).await;

    // The replica still has Bob's slots and presences, of a node that no set and no index knows. They are released when
    // they are needed. While the nodes do not reach the new primary, they admit Bob without.
    let connection = cluster.connect_to_redis().await;
    let is_released = async || {
        if let Ok(socket) = bob.at(&node).try_connect().await {
            socket.close().await;
        }
        taken_slots(&connection, &cluster, &bob).await == 0
    };
    expect_eventually("free slots on the new primary", is_released).await;
    let only_alice = [json!(alices_tab.session())];
    let is_listed = async || alice.present_sessions(document).await == only_alice;
    expect_eventually("a list without Bob", is_listed).await;
    expect_all_up([&node]).await;
    drop(alices_tab);
    cluster.stop([node]).await;
}

#[actix_web::test]
async fn failovers_under_load_leave_every_node_and_the_roster_correct() {
    let mut redis = RedisCluster::start().await;
    let cluster = Cluster::on_redis(SERVER, &redis.url()).await;
    let nodes = [cluster.start_node().await, cluster.start_node().await];
    let (alice, bob, document) = nodes[0].alice_and_bob().await;
    let mut visitors = Vec::new();
    for number in 0..6 {
        let visitor = nodes[number % 2].person(&format!("Visitor{number}")).await;
        alice.grant(document, &visitor, "EDIT").await.value();
        visitors.push(visitor);
    }
    let alices_tab = alice.open(document).await;
    let bobs_tab = bob.at(&nodes[1]).open(document).await;

    let (is_over, visits) = (Cell::new(false), Cell::new(0));
    let visitors_come_and_go = visitors.iter().map(async |visitor| {
        while !is_over.get() {
            // While the release of the last slots is delayed, the next session may be one too many.
            let Ok(socket) = visitor.try_connect().await else { continue };
            socket.start_subscription("presenceUpdated", document).await;
            let session = json!(socket.session());
            let is_listed = async || visitor.present_sessions(document).await.contains(&session);
            expect_eventually("a visitor in the list", is_listed).await;
            socket.close().await;
            visits.set(visits.get() + 1);
        }
    });
    let failovers = async {
        for shard in 0..redis.shard_count() {
            let before = visits.get();
            redis.fail_over(shard).await;
            let go_on = async || visits.get() > before + VISITS_EACH;
            expect_eventually("visits during and after a failover", go_on).await;
        }
        is_over.set(true);
    };
    futures_util::join!(join_all(visitors_come_and_go), failovers);

    let connection = cluster.connect_to_redis().await;
    for visitor in &visitors {
        let is_released = async || taken_slots(&connection, &cluster, visitor).await == 0;
        expect_eventually("the release of all slots", is_released).await;
    }
    for person in [&alice, &bob] {
        assert_eq!(taken_slots(&connection, &cluster, person).await, 1);
    }
    let expected = [json!(alices_tab.session()), json!(bobs_tab.session())];
    for person in [&alice, &bob.at(&nodes[1])] {
        let is_listed = async || person.present_sessions(document).await == expected;
        expect_eventually("the sessions that are open", is_listed).await;
    }
    // Subscribers learn the same: a last visitor stays, and all others have left.
    let last = visitors[0].at(&nodes[1]).open(document).await;
    expect_present_by_events(&alices_tab, [bobs_tab.session(), last.session()]).await;
    expect_all_up(&nodes).await;
    for node in &nodes {
        node.expect_metric("coscribe_roster_swept_total", 0).await;
        node.expect_metric("coscribe_roster_over_limit_total", 0).await;
    }
    // Both nodes publish to the new primaries and listen to them.
    assert_eq!(alices_tab.insert(document, "a").await, 2);
    bobs_tab.expect_version(2).await;
    // A cursor that is published while the other node subscribes again is lost; the next one is not.
    let is_heard = async {
        while timeout(RETRY_AFTER, alices_tab.expect_cursor()).await.is_err() {
            bobs_tab.move_cursor(document, 1, 1).await.value();
        }
    };
    within("a cursor of the other node", is_heard).await;
    drop((alices_tab, bobs_tab, last));
    cluster.stop(nodes).await;
}
