//! Redis cut off, silent, deaf, restarted, paused: sessions stay, work on the same node goes on, and what the other node did
//! arrives when the relay is back.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{
    process::{Cluster, Process, alice_and_bob},
    proxy::{Proxy, Weather},
    redis_server::RedisServer,
    support::{Client, Person, Tab, http_client, within},
};

const EDIT: &str = "mutation ($id: ID!, $text: String!) {
    editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: $text }]) { version } }";

async fn insert(who: &Tab, text: &str) -> i64 {
    let variables = json!({ "id": who.document, "text": text });
    who.run(EDIT, variables).await.value()["version"].as_i64().unwrap()
}

/// What a node says of itself.
async fn readiness(node: &Process) -> (u16, String) {
    let answer =
        http_client().get(format!("http://{}/readyz", node.address())).send().await.unwrap();
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap();
    (status, body["status"].as_str().unwrap().to_owned())
}

async fn until_ready(node: &Process, expected: (u16, &str)) {
    let says = async { while readiness(node).await != (expected.0, expected.1.to_owned()) {} };
    within(&format!("a node that is {expected:?}"), says).await;
}

/// Two nodes, Alice on the first, Bob on the second, whose way to Redis leads through a proxy.
struct Scene {
    alices: Tab,
    bobs: Tab,
    alice: Person,
    bob: Person,
    nodes: [Process; 2],
    proxy: Proxy,
    redis: RedisServer,
    _cluster: Cluster,
}

impl Scene {
    async fn set() -> Self {
        let redis = RedisServer::start().await;
        let proxy = Proxy::to(redis.place()).await;
        let cluster = Cluster::on(&redis.url()).await;
        let through = format!("redis://{}", proxy.address());
        let nodes = [cluster.node().await, cluster.node_with("REDIS_URL", &through).await];
        let (alice, bob, document) = alice_and_bob(&nodes[0]).await;
        for node in &nodes {
            until_ready(node, (200, "ready")).await;
        }
        let alices = alice.open(document).await;
        let bobs = bob.at_address(nodes[1].address()).open(document).await;
        alices.expect_joined(&bob).await;
        let bob = bob.at_address(nodes[1].address());
        Self { alices, bobs, alice, bob, nodes, proxy, redis, _cluster: cluster }
    }

    /// Work goes on on both nodes, each by itself: the next versions.
    async fn work_apart(&self, first: i64) {
        assert_eq!(insert(&self.alices, "a").await, first);
        assert_eq!(insert(&self.bobs, "b").await, first + 1);
        // Another tab on the same node hears of it at once.
        let tab = self.bob.open(self.bobs.document).await;
        assert_eq!(insert(&self.bobs, "c").await, first + 2);
        assert_eq!(tab.expect_change().await["version"], first + 2);
        self.bobs.expect_joined(&self.bob).await;
        tab.socket.close().await;
        self.bobs.expect_left(&self.bob).await;
    }

    /// What was done apart is told on both nodes, in order; nobody flickered.
    async fn all_is_told(&self, first: i64) {
        self.bobs.expect_version(first).await;
        self.alices.expect_version(first + 1).await;
        self.alices.expect_version(first + 2).await;
        for node in &self.nodes {
            node.until_meter("coscribe_relay_up", |up| up == 1.0).await;
        }
        // From now on it is told at once again.
        self.bobs.move_cursor(self.bobs.document, 1, first).await.value();
        assert_eq!(self.alices.expect_cursor().await["cursor"]["column"], first);
        self.alices.move_cursor(self.bobs.document, 1, first).await.value();
        assert_eq!(self.bobs.expect_cursor().await["cursor"]["column"], first);
    }
}

#[actix_web::test]
async fn while_redis_is_cut_off_or_silent_work_goes_on_and_what_was_missed_is_told_when_it_is_back()
{
    let scene = Scene::set().await;
    let mut first = 2;
    for weather in [Weather::Cut, Weather::Stalled] {
        scene.proxy.turn(weather);
        until_ready(&scene.nodes[1], (200, "degraded")).await;
        scene.work_apart(first).await;
        scene.proxy.turn(Weather::Fair);
        scene.all_is_told(first).await;
        until_ready(&scene.nodes[1], (200, "ready")).await;
        first += 3;
    }
    assert_eq!(readiness(&scene.nodes[0]).await.0, 200);
}

#[actix_web::test]
async fn a_relay_that_is_deaf_makes_its_node_unready_and_is_mended() {
    let scene = Scene::set().await;
    scene.proxy.turn(Weather::Deaf);
    until_ready(&scene.nodes[1], (503, "unready")).await;
    scene.nodes[1].until_meter("coscribe_relay_deaf", |deaf| deaf == 1.0).await;
    assert_eq!(readiness(&scene.nodes[0]).await, (200, "ready".to_owned()));
    scene.proxy.turn(Weather::Fair);
    until_ready(&scene.nodes[1], (200, "ready")).await;
    assert_eq!(insert(&scene.alices, "a").await, 2);
    scene.bobs.expect_version(2).await;
}

#[actix_web::test]
async fn connections_that_are_cut_in_the_middle_of_a_message_lose_no_edit_and_double_none() {
    let scene = Scene::set().await;
    let mut version = 1;
    for round in 0..20 {
        scene.proxy.cut_after(round);
        for tab in [&scene.alices, &scene.bobs] {
            version += 1;
            assert_eq!(insert(tab, &format!("<{round}>")).await, version);
        }
        scene.proxy.turn(Weather::Fair);
    }
    for version in (2..=41).step_by(2) {
        scene.bobs.expect_version(version).await;
        scene.alices.expect_version(version + 1).await;
    }
    let text = scene.alice.read(scene.alices.document).await["content"].to_string();
    for round in 0..20 {
        assert_eq!(text.matches(&format!("<{round}>")).count(), 2, "{text}");
    }
    println!("40 edits acknowledged, 40 found, 0 lost, 0 doubled");
}

#[actix_web::test]
async fn after_a_restart_that_forgot_everything_everybody_is_present_and_nobody_flickered() {
    let mut scene = Scene::set().await;
    scene.redis.kill().await;
    until_ready(&scene.nodes[0], (200, "degraded")).await;
    scene.work_apart(2).await;
    scene.redis.run().await;
    scene.all_is_told(2).await;

    let expected = [json!(scene.alices.session()), json!(scene.bobs.session())];
    for who in [&scene.alice, &scene.bob] {
        let listed = async {
            loop {
                let present = who.presence(scene.bobs.document).await.value();
                let present = present.as_array().unwrap().clone();
                if present.iter().map(|entry| &entry["sessionId"]).eq(&expected) {
                    return;
                }
            }
        };
        within("one list on both nodes", listed).await;
    }
    // Past the time in which those who are missing would be said to have left.
    for node in &scene.nodes {
        node.until_meter("coscribe_nodes", |nodes| nodes == 2.0).await;
    }
    let tab = scene.alice.open(scene.alices.document).await;
    scene.alices.expect_joined(&scene.alice).await;
    scene.bobs.expect_joined(&scene.alice).await;
    tab.socket.close().await;
    scene.alices.expect_left(&scene.alice).await;
    scene.bobs.expect_left(&scene.alice).await;
    scene.alices.expect_nothing_left();
    scene.bobs.expect_nothing_left();
}

#[actix_web::test]
async fn a_redis_that_was_paused_longer_than_a_lease_leaves_nobody_dead() {
    let scene = Scene::set().await;
    scene.redis.pause();
    for node in &scene.nodes {
        until_ready(node, (200, "degraded")).await;
    }
    scene.work_apart(2).await;
    // Longer than the lease of a node.
    let paused = std::time::Instant::now();
    let asks = async {
        while paused.elapsed() < std::time::Duration::from_secs(3) {
            assert_eq!(readiness(&scene.nodes[0]).await.0, 200);
        }
    };
    within("a pause longer than the lease", asks).await;
    scene.redis.resume();
    scene.all_is_told(2).await;
    for node in &scene.nodes {
        until_ready(node, (200, "ready")).await;
        node.until_meter("coscribe_roster_swept_total", |swept| swept == 0.0).await;
    }
    scene.alices.expect_nothing_left();
    scene.bobs.expect_nothing_left();
}

#[actix_web::test]
async fn a_revocation_that_cannot_be_told_is_found_all_the_same() {
    let scene = Scene::set().await;
    for weather in [Weather::Cut, Weather::Stalled] {
        scene.proxy.turn(weather);
        until_ready(&scene.nodes[1], (200, "degraded")).await;
        let carol = Person::register(scene.nodes[1].address(), &format!("Carol{weather:?}")).await;
        scene.alice.grant(scene.alices.document, &carol, "VIEW").await.value();
        let carols = carol.open(scene.alices.document).await;
        scene.alice.revoke(scene.alices.document, &carol).await.value();
        assert_eq!(carols.socket.expect_error(&carols.changes).await, "FORBIDDEN");
        scene.proxy.turn(Weather::Fair);
        until_ready(&scene.nodes[1], (200, "ready")).await;
    }
}

#[actix_web::test]
async fn a_node_that_is_stopped_right_after_redis_was_away_leaves_nobody_behind() {
    let scene = Scene::set().await;
    scene.proxy.turn(Weather::Cut);
    until_ready(&scene.nodes[1], (200, "degraded")).await;
    let [first, second] = scene.nodes;
    let (goodbye, ()) = futures_util::join!(scene.bobs.socket.expect_close(), second.stop());
    assert_eq!(goodbye.0, 1001);
    // Nobody could be told; the lease says it.
    scene.alices.expect_left(&scene.bob).await;
    scene.alices.expect_nothing_left();
    first.until_meter("coscribe_roster_swept_total", |swept| swept >= 2.0).await;
}

#[actix_web::test]
async fn a_slow_redis_slows_nobody_on_the_same_node() {
    let scene = Scene::set().await;
    scene.proxy.turn(Weather::Slow);
    for version in 2..12 {
        assert_eq!(insert(&scene.bobs, "b").await, version);
    }
    for version in 2..12 {
        scene.alices.expect_version(version).await;
    }
    assert_eq!(readiness(&scene.nodes[1]).await, (200, "ready".to_owned()));
}

#[actix_web::test]
async fn a_node_that_starts_while_redis_is_away_serves_and_joins_the_others_later() {
    let mut redis = RedisServer::start().await;
    let cluster = Cluster::on(&redis.url()).await;
    redis.kill().await;
    let nodes = [cluster.node().await, cluster.node().await];
    let (alice, bob, document) = alice_and_bob(&nodes[0]).await;
    let alices = alice.open(document).await;
    let bobs = bob.at_address(nodes[1].address()).open(document).await;
    assert_eq!(insert(&alices, "a").await, 2);
    until_ready(&nodes[1], (200, "degraded")).await;

    redis.run().await;

    bobs.expect_version(2).await;
    alices.expect_joined(&bob).await;
    bobs.expect_joined(&alice).await;
    for node in &nodes {
        until_ready(node, (200, "ready")).await;
    }
}

#[actix_web::test]
async fn who_is_over_the_limit_once_redis_is_back_is_sent_away() {
    let mut scene = Scene::set().await;
    scene.redis.kill().await;
    for node in &scene.nodes {
        until_ready(node, (200, "degraded")).await;
    }
    // Each node counts its own: nine more here, ten more there.
    let mut here = Vec::new();
    for _ in 0..9 {
        here.push(scene.alice.connect().await);
    }
    let there = scene.alice.at_address(scene.nodes[1].address());
    for _ in 0..10 {
        here.push(there.connect().await);
    }
    assert!(scene.alice.try_to_connect().await.is_err(), "each node keeps the limit by itself");
    scene.redis.run().await;

    let address: SocketAddr = scene.nodes[0].address();
    let over = async {
        let name = "coscribe_roster_over_limit_total";
        let mut closed = 0.0;
        while closed < 10.0 {
            closed = 0.0;
            for node in &scene.nodes {
                closed +=
                    crate::support::Meters::of(&http_client(), node.address()).await.value(name);
            }
        }
        assert_eq!(closed, 10.0, "twenty are ten too many");
    };
    within("ten sessions sent away", over).await;
    assert!(there.try_to_connect().await.is_err());
    assert!(there.at_address(address).try_to_connect().await.is_err());
}
