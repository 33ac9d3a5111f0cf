//! Redis behind a sentinel, which makes a replica the master when the master dies.

use std::{fs, process::Stdio};

use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{
    process::{Cluster, alice_and_bob},
    redis_server::RedisServer,
    support::{Client as _, within},
};

/// One sentinel, which watches one master called `main`.
struct Sentinel {
    _child: Child,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    async fn watching(master: &RedisServer) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), RedisServer::free_port());
        let file = folder.path().join("sentinel.conf");
        let (host, master_port) =
            master.place().rsplit_once(':').map(|(h, p)| (h.to_owned(), p.to_owned())).unwrap();
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main {host} {master_port} 1\n\
             sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
        );
        fs::write(&file, settings).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.kill_on_drop(true).spawn().unwrap();
        let sentinel = Self { _child: child, port, _folder: folder };
        let knows = async {
            while !sentinel.ask("replicas").await.is_some_and(|replicas| replicas.contains("slave"))
            {
            }
        };
        within("a sentinel that knows the replica", knows).await;
        sentinel
    }

    /// What it says about `main`.
    async fn ask(&self, what: &str) -> Option<String> {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string(), "sentinel", what, "main"]);
        let output = command.output().await.ok()?;
        String::from_utf8(output.stdout).ok()
    }
}

#[actix_web::test]
async fn after_a_failover_the_nodes_go_on_with_the_new_master_and_lose_nothing() {
    let mut master = RedisServer::start().await;
    let replica = RedisServer::start().await;
    replica.follow(&master).await;
    let sentinel = Sentinel::watching(&master).await;
    let cluster = Cluster::on(&format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port)).await;
    let nodes = [cluster.node().await, cluster.node().await];
    let (alice, bob, document) = alice_and_bob(&nodes[0]).await;
    let alices = alice.open(document).await;
    let bobs = bob.at_address(nodes[1].address()).open(document).await;
    alices.expect_joined(&bob).await;

    master.kill().await;
    let edit = "mutation ($id: ID!, $text: String!) {
        editDocument(documentId: $id, baseVersion: 1, delta: [{ insert: $text }]) { version } }";
    for version in 2..=5 {
        let variables = json!({ "id": document, "text": "a" });
        assert_eq!(alices.run(edit, variables).await.value()["version"], version);
    }

    for version in 2..=5 {
        bobs.expect_version(version).await;
    }
    for node in &nodes {
        node.until_meter("coscribe_relay_up", |up| up == 1.0).await;
        node.until_meter("coscribe_roster_up", |up| up == 1.0).await;
    }
    bobs.move_cursor(document, 1, 1).await.value();
    alices.expect_cursor().await;
    alices.expect_nothing_left();
    bobs.expect_nothing_left();
}
