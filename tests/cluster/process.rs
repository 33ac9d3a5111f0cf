//! Nodes as processes of their own, which can be killed and paused.

use std::{
    net::SocketAddr,
    process::{Command as Blocking, Stdio},
};

use coscribe::domain::DocumentId;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    redis_server::RedisServer,
    support::{Client as _, Meters, Person, TestDatabase, http_client, within},
};

/// A node that runs the real binary. It is killed with this value.
pub(crate) struct Process {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Process {
    async fn start(variables: &[(String, String)]) -> Self {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_coscribe"));
        command.env_clear().arg("--data-dir").arg(folder.path());
        command.args(["--host", "127.0.0.1", "--port", "0"]).envs(variables.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within("the start of a node", lines.next_line()).await.unwrap().unwrap();
        let address = line.strip_prefix("coscribe listens on http://").unwrap();
        Self { child, address: address.parse().unwrap(), _folder: folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// SIGKILL: it says goodbye to nobody.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGSTOP: it does nothing, and its sockets stay open.
    pub(crate) fn pause(&self) {
        signal("-STOP", self.child.id().unwrap());
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        signal("-CONT", self.child.id().unwrap());
    }

    /// SIGTERM, and the end.
    pub(crate) async fn stop(mut self) {
        signal("-TERM", self.child.id().unwrap());
        assert!(within("the end of a node", self.child.wait()).await.unwrap().success());
    }

    /// Waits until a meter of it shows what is wanted.
    pub(crate) async fn until_meter(&self, name: &str, wanted: impl Fn(f64) -> bool) {
        until_meter(self.address, name, wanted).await;
    }
}

/// Waits until a meter of the node that listens there shows what is wanted.
pub(crate) async fn until_meter(address: SocketAddr, name: &str, wanted: impl Fn(f64) -> bool) {
    let http = http_client();
    let shown = async { while !wanted(Meters::of(&http, address).await.value(name)) {} };
    within(name, shown).await;
}

/// Sends a signal to a process.
pub(crate) fn signal(signal: &str, process: u32) {
    // The shell's own, which is there without a package.
    let command = format!("kill {signal} {process}");
    let status = Blocking::new("sh").args(["-c", &command]).status().unwrap();
    assert!(status.success());
}

/// A database and a Redis, for nodes with short leases.
pub(crate) struct Cluster {
    variables: Vec<(String, String)>,
    _database: Option<TestDatabase>,
}

impl Cluster {
    /// On this Redis.
    pub(crate) async fn on(redis: &str) -> Self {
        let database =
            TestDatabase::create().await.expect("TEST_DATABASE_URL, as scripts/test sets it");
        let url = database.url();
        Self { _database: Some(database), ..Self::on_both(redis, url).await }
    }

    /// On this Redis and this database, which is empty.
    pub(crate) async fn on_both(redis: &str, database: String) -> Self {
        let variables = [
            ("DATABASE_URL", database),
            ("REDIS_URL", redis.to_owned()),
            ("JWT_SECRET", "a secret of a test, which is long enough".to_owned()),
            ("COSCRIBE__REDIS__PREFIX", format!("test-{}", uuid::Uuid::new_v4())),
            ("COSCRIBE__REDIS__ANSWER_WITHIN", "500ms".to_owned()),
            ("COSCRIBE__ROSTER__LEASE", "1500ms".to_owned()),
            ("COSCRIBE__ROSTER__RENEW_EVERY", "300ms".to_owned()),
            ("COSCRIBE__ROOM__LINGER", "1ms".to_owned()),
            ("COSCRIBE__LIMITS__EDITS_PER_SECOND", "100000".to_owned()),
            ("COSCRIBE__LIMITS__OPERATIONS_PER_SECOND", "100000".to_owned()),
            ("COSCRIBE__AUTH__ARGON2_MEMORY_KIB", "8".to_owned()),
            ("COSCRIBE__AUTH__ARGON2_PASSES", "1".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let cluster = Self { variables, _database: None };
        let mut migrate = Command::new(env!("CARGO_BIN_EXE_coscribe"));
        migrate.env_clear().args(["migrate", "up"]).envs(cluster.variables.iter().cloned());
        migrate.stdin(Stdio::null()).stdout(Stdio::null());
        assert!(within("the tables", migrate.status()).await.unwrap().success());
        cluster
    }

    /// On the Redis of the test run.
    pub(crate) async fn new() -> Self {
        Self::on(&RedisServer::of_the_run()).await
    }

    pub(crate) async fn node(&self) -> Process {
        Process::start(&self.variables).await
    }

    /// A node with another setting.
    pub(crate) async fn node_with(&self, name: &str, value: &str) -> Process {
        self.node_with_all(&[(name, value)]).await
    }

    /// A node with other settings.
    pub(crate) async fn node_with_all(&self, settings: &[(&str, &str)]) -> Process {
        let mut variables = self.variables.clone();
        for (name, value) in settings {
            variables.retain(|(known, _)| known != name);
            variables.push(((*name).to_owned(), (*value).to_owned()));
        }
        Process::start(&variables).await
    }
}

/// Alice, Bob, and a document of hers that he may edit.
pub(crate) async fn alice_and_bob(node: &Process) -> (Person, Person, DocumentId) {
    let alice = Person::register(node.address(), "Alice").await;
    let bob = Person::register(node.address(), "Bob").await;
    let document = alice.create_document("Plan", "Welcome.").await;
    alice.grant(document, &bob, "EDIT").await.value();
    (alice, bob, document)
}
