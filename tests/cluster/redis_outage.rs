//! Redis cut off, stalled, without deliveries, restarted or paused: sessions stay, work on the same node goes on, and changes
//! of the other node arrive when the relay works again.

use coscribe::domain::DocumentId;
use futures_util::join;
use kit::{
    Client as _, Cluster, Network, Node as _, NodeProcess, Person, Proxy, RedisServer, Tab,
    expect_eventually, within,
};
use serde_json::json;
use tokio::time::{Duration, Instant};

use crate::SERVER;

/// The status code and the status of `/readyz`.
async fn readiness(node: &NodeProcess) -> (u16, String) {
    let reply = node.get("/readyz").await;
    (reply.status, reply.json()["status"].as_str().unwrap().to_owned())
}

async fn expect_readiness(node: &NodeProcess, status: (u16, &str)) {
    let is_reached = async || readiness(node).await == (status.0, status.1.to_owned());
    expect_eventually(&format!("a node that reports {status:?}"), is_reached).await;
}

/// Two nodes: Alice is on the first and Bob on the second, which reaches Redis through a proxy.
struct Outage {
    alice: Person,
    bob: Person,
    document: DocumentId,
    alices_tab: Tab,
    bobs_tab: Tab,
    nodes: [NodeProcess; 2],
    proxy: Proxy,
    redis: RedisServer,
    cluster: Cluster,
}

impl Outage {
    async fn start() -> Self {
        let redis = RedisServer::start().await;
        let proxy = Proxy::to(redis.address()).await;
        let cluster = Cluster::on_redis(SERVER, &redis.url()).await;
        let through_proxy = format!("redis://{}", proxy.address());
        let nodes = [
            cluster.start_node().await,
            cluster.start_node_with(&[("REDIS_URL", &through_proxy)]).await,
        ];
        let (alice, bob, document) = nodes[0].alice_and_bob().await;
        let bob = bob.at(&nodes[1]);
        for node in &nodes {
            expect_readiness(node, (200, "ready")).await;
        }
        let alices_tab = alice.open(document).await;
        let bobs_tab = bob.open(document).await;
        alices_tab.expect_joined(&bob).await;
        Self { alice, bob, document, alices_tab, bobs_tab, nodes, proxy, redis, cluster }
    }

    /// Both nodes store edits, each without the other: versions `first` to `first + 2`.
    async fn work_separately(&self, first: i64) {
        assert_eq!(self.alices_tab.insert(self.document, "a").await, first);
        assert_eq!(self.bobs_tab.insert(self.document, "b").await, first + 1);
        // Another tab on the same node receives changes at once.
        let tab = self.bob.open(self.document).await;
        assert_eq!(self.bobs_tab.insert(self.document, "c").await, first + 2);
        tab.expect_version(first + 2).await;
        self.bobs_tab.expect_joined(&self.bob).await;
        tab.socket.close().await;
        self.bobs_tab.expect_left(&self.bob).await;
    }

    /// Both tabs receive the separate work in order, and then events at once again.
    async fn expect_missed_changes(&self, first: i64) {
        self.bobs_tab.expect_version(first).await;
        self.alices_tab.expect_version(first + 1).await;
        self.alices_tab.expect_version(first + 2).await;
        for node in &self.nodes {
            node.expect_metric("coscribe_relay_up", 1).await;
        }
        self.bobs_tab.move_cursor(self.document, 1, first).await.value();
        assert_eq!(self.alices_tab.expect_cursor().await["cursor"]["column"], first);
        self.alices_tab.move_cursor(self.document, 1, first).await.value();
        assert_eq!(self.bobs_tab.expect_cursor().await["cursor"]["column"], first);
    }

    /// Drops the clients and stops the nodes, which must not have kept anything of them.
    async fn stop(self) {
        drop((self.alices_tab, self.bobs_tab));
        self.cluster.stop(self.nodes).await;
    }
}

#[actix_web::test]
async fn work_goes_on_without_redis_and_missed_changes_arrive_later() {
    let outage = Outage::start().await;
    let mut first = 2;
    for network in [Network::Cut, Network::Stalled] {
        outage.proxy.set(network);
        expect_readiness(&outage.nodes[1], (200, "degraded")).await;
        outage.work_separately(first).await;
        outage.proxy.set(Network::Up);
        outage.expect_missed_changes(first).await;
        expect_readiness(&outage.nodes[1], (200, "ready")).await;
        first += 3;
    }
    assert_eq!(readiness(&outage.nodes[0]).await.0, 200);
    outage.stop().await;
}

#[actix_web::test]
async fn cursors_moved_while_a_node_was_cut_off_arrive_when_it_is_back() {
    let outage = Outage::start().await;
    outage.proxy.set(Network::Cut);
    expect_readiness(&outage.nodes[1], (200, "degraded")).await;
    let move_to = async |column| {
        outage.alices_tab.move_cursor(outage.document, 0, column).await.value();
    };
    move_to(0).await;
    // The node has published everything before the grant when the grant is acknowledged, and knows that it is alone.
    let carol = outage.nodes[0].person("Carol").await;
    outage.alice.grant(outage.document, &carol, "VIEW").await.value();
    move_to(1).await;
    outage.bobs_tab.move_cursor(outage.document, 0, 2).await.value();
    outage.proxy.set(Network::Up);
    assert_eq!(outage.bobs_tab.expect_cursor().await["cursor"]["column"], 1);
    assert_eq!(outage.alices_tab.expect_cursor().await["cursor"]["column"], 2);
    outage.alices_tab.assert_nothing_unread();
    outage.bobs_tab.assert_nothing_unread();
    outage.stop().await;
}

#[actix_web::test]
async fn a_relay_without_deliveries_makes_its_node_unready_until_it_recovers() {
    let outage = Outage::start().await;
    outage.proxy.set(Network::MuteSubscriptions);
    expect_readiness(&outage.nodes[1], (503, "unready")).await;
    outage.nodes[1].expect_metric("coscribe_relay_deaf", 1).await;
    assert_eq!(readiness(&outage.nodes[0]).await, (200, "ready".to_owned()));
    outage.proxy.set(Network::Up);
    expect_readiness(&outage.nodes[1], (200, "ready")).await;
    assert_eq!(outage.alices_tab.insert(outage.document, "a").await, 2);
    outage.bobs_tab.expect_version(2).await;
    outage.stop().await;
}

#[actix_web::test]
async fn connections_cut_within_a_message_lose_and_duplicate_no_edit() {
    let outage = Outage::start().await;
    let mut version = 1;
    for round in 0..20 {
        outage.proxy.cut_after(round);
        for tab in [&outage.alices_tab, &outage.bobs_tab] {
            version += 1;
            assert_eq!(tab.insert(outage.document, &format!("<{round}>")).await, version);
        }
        outage.proxy.set(Network::Up);
    }
    for version in (2..=41).step_by(2) {
        outage.bobs_tab.expect_version(version).await;
        outage.alices_tab.expect_version(version + 1).await;
    }
    let text = outage.alice.read_text(outage.document).await;
    for round in 0..20 {
        assert_eq!(text.matches(&format!("<{round}>")).count(), 2, "{text}");
    }
    println!("40 edits acknowledged and found once");
    outage.stop().await;
}

#[actix_web::test]
async fn presence_survives_a_restart_of_redis_without_its_data() {
    let mut outage = Outage::start().await;
    outage.redis.kill().await;
    expect_readiness(&outage.nodes[0], (200, "degraded")).await;
    outage.work_separately(2).await;
    outage.redis.run().await;
    outage.expect_missed_changes(2).await;

    let expected = [json!(outage.alices_tab.session()), json!(outage.bobs_tab.session())];
    for person in [&outage.alice, &outage.bob] {
        let is_listed = async || person.present_sessions(outage.document).await == expected;
        expect_eventually("the same list on both nodes", is_listed).await;
    }
    // After the time in which missing sessions would have been reported as left.
    for node in &outage.nodes {
        node.expect_metric("coscribe_nodes", 2).await;
    }
    let tab = outage.alice.open(outage.document).await;
    outage.alices_tab.expect_joined(&outage.alice).await;
    outage.bobs_tab.expect_joined(&outage.alice).await;
    tab.socket.close().await;
    outage.alices_tab.expect_left(&outage.alice).await;
    outage.bobs_tab.expect_left(&outage.alice).await;
    outage.alices_tab.assert_nothing_unread();
    outage.bobs_tab.assert_nothing_unread();
    outage.stop().await;
}

#[actix_web::test]
async fn nodes_and_sessions_survive_a_redis_paused_beyond_the_lease() {
    let outage = Outage::start().await;
    outage.redis.pause();
    for node in &outage.nodes {
        expect_readiness(node, (200, "degraded")).await;
    }
    outage.work_separately(2).await;
    // The pause is longer than the lease of a node.
    let paused = Instant::now();
    let checks = async {
        while paused.elapsed() < Duration::from_secs(8) {
            assert_eq!(readiness(&outage.nodes[0]).await.0, 200);
        }
    };
    within("a pause longer than the lease", checks).await;
    outage.redis.resume();
    outage.expect_missed_changes(2).await;
    for node in &outage.nodes {
        expect_readiness(node, (200, "ready")).await;
        node.expect_metric("coscribe_roster_swept_total", 0).await;
    }
    outage.alices_tab.assert_nothing_unread();
    outage.bobs_tab.assert_nothing_unread();
    outage.stop().await;
}

#[actix_web::test]
async fn a_revocation_without_the_relay_is_found_by_reconciling() {
    let outage = Outage::start().await;
    for network in [Network::Cut, Network::Stalled] {
        outage.proxy.set(network);
        expect_readiness(&outage.nodes[1], (200, "degraded")).await;
        let carol = outage.nodes[1].person(&format!("Carol{network:?}")).await;
        outage.alice.grant(outage.document, &carol, "VIEW").await.value();
        let carols_tab = carol.open(outage.document).await;
        outage.alice.revoke(outage.document, &carol).await.value();
        assert_eq!(carols_tab.socket.expect_error(&carols_tab.changes).await, "FORBIDDEN");
        outage.proxy.set(Network::Up);
        expect_readiness(&outage.nodes[1], (200, "ready")).await;
    }
    outage.stop().await;
}

#[actix_web::test]
async fn the_sessions_of_a_node_stopped_without_redis_leave_with_its_lease() {
    let outage = Outage::start().await;
    outage.proxy.set(Network::Cut);
    expect_readiness(&outage.nodes[1], (200, "degraded")).await;
    let [first, second] = outage.nodes;
    let (close, ()) = join!(outage.bobs_tab.socket.expect_close(), second.terminate());
    assert_eq!(close.0, 1001);
    // The other node learns of the departure when the lease expires.
    outage.alices_tab.expect_left(&outage.bob).await;
    outage.alices_tab.assert_nothing_unread();
    let swept = "coscribe_roster_swept_total";
    first.expect_metric_that("two swept sessions", swept, |swept| swept >= 2).await;
    drop(outage.alices_tab);
    outage.cluster.stop([first]).await;
}

#[actix_web::test]
async fn a_slow_redis_does_not_delay_edits_on_the_same_node() {
    let outage = Outage::start().await;
    outage.proxy.set(Network::Far(Duration::from_millis(60)));
    for version in 2..12 {
        assert_eq!(outage.bobs_tab.insert(outage.document, "b").await, version);
    }
    for version in 2..12 {
        outage.alices_tab.expect_version(version).await;
    }
    assert_eq!(readiness(&outage.nodes[1]).await, (200, "ready".to_owned()));
    outage.stop().await;
}

#[actix_web::test]
async fn a_document_opens_while_redis_takes_long_to_answer() {
    let redis = RedisServer::start().await;
    let proxy = Proxy::to(redis.address()).await;
    let cluster = Cluster::on_redis(SERVER, &format!("redis://{}", proxy.address())).await;
    // Later than the test would end.
    let patient = [
        ("COSCRIBE__REDIS__ANSWER_WITHIN", "200s"),
        ("COSCRIBE__ROSTER__LEASE", "600s"),
        ("COSCRIBE__ROSTER__RENEW_EVERY", "2s"),
    ];
    let node = cluster.start_node_with(&patient).await;
    let (alice, _bob, document) = node.alice_and_bob().await;
    expect_readiness(&node, (200, "ready")).await;
    let socket = alice.connect().await;

    // A node that waits for an answer of Redis waits for longer than the test.
    proxy.set(Network::Stalled);
    socket.subscribe("documentChanged", document).await;
    assert_eq!(socket.insert(document, "a").await, 2);
    proxy.set(Network::Up);
    expect_readiness(&node, (200, "ready")).await;
    drop(socket);
    cluster.stop([node]).await;
}

#[actix_web::test]
async fn a_node_started_without_redis_serves_and_joins_the_others_later() {
    let mut redis = RedisServer::start().await;
    let cluster = Cluster::on_redis(SERVER, &redis.url()).await;
    redis.kill().await;
    let nodes = [cluster.start_node().await, cluster.start_node().await];
    let (alice, bob, document) = nodes[0].alice_and_bob().await;
    let alices_tab = alice.open(document).await;
    let bobs_tab = bob.at(&nodes[1]).open(document).await;
    assert_eq!(alices_tab.insert(document, "a").await, 2);
    expect_readiness(&nodes[1], (200, "degraded")).await;

    redis.run().await;

    bobs_tab.expect_version(2).await;
    alices_tab.expect_joined(&bob).await;
    bobs_tab.expect_joined(&alice).await;
    for node in &nodes {
        expect_readiness(node, (200, "ready")).await;
    }
    drop((alices_tab, bobs_tab));
    cluster.stop(nodes).await;
}

#[actix_web::test]
async fn connections_over_the_limit_are_closed_once_redis_is_back() {
    let mut outage = Outage::start().await;
    outage.redis.kill().await;
    for node in &outage.nodes {
        expect_readiness(node, (200, "degraded")).await;
    }
    // Each node counts its own connections: nine more on the first, ten more on the second.
    let mut sockets = Vec::new();
    for _ in 0..9 {
        sockets.push(outage.alice.connect().await);
    }
    let there = outage.alice.at(&outage.nodes[1]);
    for _ in 0..10 {
        sockets.push(there.connect().await);
    }
    assert!(outage.alice.try_connect().await.is_err(), "each node keeps the limit on its own");
    outage.redis.run().await;

    let name = "coscribe_roster_over_limit_total";
    let ten_are_closed = async || {
        let closed = outage.nodes[0].metric(name).await + outage.nodes[1].metric(name).await;
        assert!(closed <= 10, "twenty connections are ten too many");
        closed == 10
    };
    expect_eventually("the end of ten sessions", ten_are_closed).await;
    assert!(there.try_connect().await.is_err());
    assert!(outage.alice.try_connect().await.is_err());
    drop(sockets);
    outage.stop().await;
}
