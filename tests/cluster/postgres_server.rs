//! A PostgreSQL of a test's own, which can be stopped without warning and started again.

use std::{path::PathBuf, process::Stdio};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{process::signal, redis_server::RedisServer, support::within};

/// A running `postgres`. It is killed with this value.
pub(crate) struct PostgresServer {
    child: Option<Child>,
    port: u16,
    folder: TempDir,
    programs: PathBuf,
}

impl PostgresServer {
    /// With an empty database.
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let mut server =
            Self { child: None, port: RedisServer::free_port(), folder, programs: programs() };
        if is_root() {
            let mut own = Command::new("chown");
            own.arg("postgres").arg(server.folder.path());
            assert!(own.status().await.unwrap().success());
        }
        let mut make = server.program("initdb");
        make.arg("-D").arg(server.data()).args(["-U", "coscribe", "-A", "trust", "--no-sync"]);
        make.stdout(Stdio::null());
        assert!(within("a new database", make.status()).await.unwrap().success());
        server.run().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://coscribe@127.0.0.1:{}/postgres", self.port)
    }

    /// SIGQUIT: every connection is cut, and whatever was not committed is gone.
    pub(crate) async fn stop_at_once(&mut self) {
        let mut child = self.child.take().unwrap();
        signal("-QUIT", child.id().unwrap());
        within("the end of PostgreSQL", child.wait()).await.unwrap();
    }

    /// Starts it again; what was committed is there.
    pub(crate) async fn run(&mut self) {
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
        command.arg("-k").arg(self.folder.path()).args(["-h", "127.0.0.1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.child = Some(command.spawn().unwrap());
        let ready = async {
            let port = self.port.to_string();
            loop {
                let mut ask = Command::new(self.programs.join("pg_isready"));
                ask.args(["-q", "-h", "127.0.0.1", "-p", &port]);
                if ask.status().await.unwrap().success() {
                    return;
                }
            }
        };
        within("the start of PostgreSQL", ready).await;
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    /// PostgreSQL refuses to be run by root.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = match is_root() {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
                command.arg(program);
                command
            }
            false => Command::new(program),
        };
        command.current_dir(self.folder.path());
        command
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt as _;
        own.uid() == 0
    })
}

/// Where PostgreSQL's programs are: on the path, or where Debian keeps them.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let mut folders = std::env::split_paths(&path).chain(debian.into_iter().rev());
    // A link on the path leads to where the others are.
    let initdb = folders.find_map(|folder| folder.join("initdb").canonicalize().ok());
    let initdb = initdb.expect("PostgreSQL, of the Debian package postgresql");
    initdb.parent().unwrap().to_owned()
}
