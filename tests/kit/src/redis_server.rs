//! A Redis of one test, which can be killed, paused, and started again with empty memory.

use std::process::Stdio;

use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::{Duration, interval},
};

use crate::{ports::free_port, process::send_signal, redis_url, within};

/// How often a server is started on other ports, if something else has taken one first.
pub(crate) const ATTEMPTS: usize = 5;

/// How often the start of a server is checked.
const CHECK_EVERY: Duration = Duration::from_millis(20);

/// A running `redis-server`. Dropping the value kills it.
pub struct RedisServer {
    child: Option<Child>,
    port: u16,
    folder: TempDir,
    options: Vec<String>,
}

impl RedisServer {
    /// The URL of the Redis that the whole test run shares.
    #[must_use]
    pub fn url_of_the_run() -> String {
        redis_url().expect("set TEST_REDIS_URL, or run scripts/test, which sets it")
    }

    /// Starts a Redis.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a Redis with further options of its command line.
    pub async fn start_with(options: &[&str]) -> Self {
        for _ in 0..ATTEMPTS {
            if let Some(server) = Self::try_start_with(options).await {
                return server;
            }
        }
        panic!("no Redis has started in {ATTEMPTS} attempts")
    }

    /// Starts a Redis. `None` if something else has taken one of its ports first.
    pub(crate) async fn try_start_with(options: &[&str]) -> Option<Self> {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let (port, folder) = (free_port(), TempDir::new().unwrap());
        let mut server = Self { child: None, port, folder, options };
        server.try_run().await.then_some(server)
    }

    /// Makes this server a replica of `master` and waits until it has all data.
    pub async fn follow(&self, master: &Self) {
        self.cli(&["replicaof", "127.0.0.1", &master.port.to_string()]).await;
        let follows = async {
            while !self.cli(&["info", "replication"]).await.contains("master_link_status:up") {}
        };
        within("a replica that is in sync", follows).await;
    }

    /// The URL of the server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills the server: all data is lost.
    pub async fn kill(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
    }

    /// Starts the server again, without data.
    pub async fn run(&mut self) {
        assert!(self.try_run().await, "something else has taken the port {}", self.port);
    }

    /// Starts the server. Returns whether it has started; otherwise its port was taken.
    async fn try_run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string(), "--save", ""]);
        command.arg("--dir").arg(self.folder.path()).args(&self.options);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let mut child =
            command.spawn().expect("redis-server is in the Debian package redis-server");
        let process = format!("process_id:{}\r", child.id().unwrap());
        let has_started = async {
            let mut checks = interval(CHECK_EVERY);
            loop {
                checks.tick().await;
                if child.try_wait().unwrap().is_some() {
                    return false;
                }
                // Another server may answer on this port.
                if self.cli(&["info", "server"]).await.contains(&process) {
                    return true;
                }
            }
        };
        let has_started = within("the start of Redis", has_started).await;
        self.child = Some(child);
        has_started
    }

    /// Suspends the server: it does nothing, and its sockets stay open.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a paused server go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        send_signal(name, self.child.as_ref().unwrap().id().unwrap());
    }

    /// Runs a command and returns the reply as text.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        let output = command.args(["-p", &self.port.to_string()]).args(arguments).output().await;
        String::from_utf8(output.unwrap().stdout).unwrap()
    }
}
