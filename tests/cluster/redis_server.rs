//! A Redis of a test's own, which can be killed, paused, and started again with nothing in it.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{process::signal, support::within};

/// A running `redis-server`. It is killed with this value.
pub(crate) struct RedisServer {
    child: Option<Child>,
    port: u16,
    folder: TempDir,
}

impl RedisServer {
    /// The URL of the one that the whole test run shares.
    pub(crate) fn of_the_run() -> String {
        let url = std::env::var("TEST_REDIS_URL").ok().filter(|url| !url.is_empty());
        url.expect("TEST_REDIS_URL, as scripts/test sets it")
    }

    /// One of the test's own.
    pub(crate) async fn start() -> Self {
        let port = Self::free_port();
        let mut server = Self { child: None, port, folder: TempDir::new().unwrap() };
        server.run().await;
        server
    }

    /// Free a moment ago; if somebody else was quicker, the server does not start and the test says so.
    pub(crate) fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    /// From now on it is a replica of another one; when it has everything, this returns.
    pub(crate) async fn follow(&self, master: &Self) {
        self.cli(&["replicaof", "127.0.0.1", &master.port.to_string()]).await;
        let follows = async {
            while !self.cli(&["info", "replication"]).await.contains("master_link_status:up") {}
        };
        within("a replica that follows", follows).await;
    }

    async fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        let output = command.args(["-p", &self.port.to_string()]).args(arguments).output().await;
        String::from_utf8(output.unwrap().stdout).unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// `HOST:PORT`.
    pub(crate) fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// SIGKILL: whatever it knew is gone.
    pub(crate) async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// Starts it again, with nothing in it.
    pub(crate) async fn run(&mut self) {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.arg("--dir").arg(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        self.child =
            Some(command.spawn().expect("redis-server, of the Debian package redis-server"));
        let place = self.place();
        let answers = async { while TcpStream::connect(&place).await.is_err() {} };
        within("the start of Redis", answers).await;
    }

    pub(crate) fn pause(&self) {
        signal("-STOP", self.child.as_ref().unwrap().id().unwrap());
    }

    pub(crate) fn resume(&self) {
        signal("-CONT", self.child.as_ref().unwrap().id().unwrap());
    }
}
