//! Redis behind a Sentinel, which promotes a replica when the master dies.

use std::{fs, process::Stdio};

use kit::{Client as _, Cluster, Node as _, RedisServer, free_port, within};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::SERVER;

/// A Sentinel that watches one master, which it calls `main`.
struct Sentinel {
    _child: Child,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    /// Starts a Sentinel and waits until it knows the replica of `master`.
    async fn watching(master: &RedisServer) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let file = folder.path().join("sentinel.conf");
        let master_port = master.port();
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master_port} 1\n\
             sentinel down-after-milliseconds main 3000\nsentinel failover-timeout main 2000\n"
        );
        fs::write(&file, settings).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel").stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.kill_on_drop(true).spawn().unwrap();
        let sentinel = Self { _child: child, port, _folder: folder };
        let knows_replica = async {
            while !sentinel.replicas().await.is_some_and(|replicas| replicas.contains("slave")) {}
        };
        within("a Sentinel that knows the replica", knows_replica).await;
        sentinel
    }

    /// The replicas of `main` that it knows.
    async fn replicas(&self) -> Option<String> {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &self.port.to_string(), "sentinel", "replicas", "main"]);
        let output = command.output().await.ok()?;
        String::from_utf8(output.stdout).ok()
    }
}

#[actix_web::test]
async fn nodes_use_the_new_master_after_a_failover_and_lose_nothing() {
    let mut master = RedisServer::start().await;
    let replica = RedisServer::start().await;
    replica.follow(&master).await;
    let sentinel = Sentinel::watching(&master).await;
    let redis = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port);
    let cluster = Cluster::on_redis(SERVER, &redis).await;
    let nodes = [cluster.start_node().await, cluster.start_node().await];
    let (alice, bob, document) = nodes[0].alice_and_bob().await;
    let alices_tab = alice.open(document).await;
    let bobs_tab = bob.at(&nodes[1]).open(document).await;
    alices_tab.expect_joined(&bob).await;

    master.kill().await;
    for version in 2..=5 {
        assert_eq!(alices_tab.insert(document, "a").await, version);
    }

    for version in 2..=5 {
        bobs_tab.expect_version(version).await;
    }
    for node in &nodes {
        node.expect_metric("coscribe_relay_up", 1).await;
        node.expect_metric("coscribe_roster_up", 1).await;
    }
    bobs_tab.move_cursor(document, 1, 1).await.value();
    alices_tab.expect_cursor().await;
    alices_tab.assert_nothing_unread();
    bobs_tab.assert_nothing_unread();
    drop((alices_tab, bobs_tab));
    cluster.stop(nodes).await;
}
