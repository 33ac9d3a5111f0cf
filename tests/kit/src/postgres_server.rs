//! A PostgreSQL of one test, which can be stopped without warning and started again.

use std::{os::unix::fs::MetadataExt as _, path::PathBuf, process::Stdio};

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::{free_port, process::send_signal, within};

/// A running `postgres`. Dropping the value kills it.
pub struct PostgresServer {
    child: Option<Child>,
    port: u16,
    folder: TempDir,
    programs: PathBuf,
}

impl PostgresServer {
    /// Starts a PostgreSQL with an empty database.
    pub async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let mut server = Self { child: None, port: free_port(), folder, programs: programs() };
        if is_root() {
            let mut chown = Command::new("chown");
            chown.arg("postgres").arg(server.folder.path());
            assert!(chown.status().await.unwrap().success());
        }
        let mut initdb = server.program("initdb");
        initdb.arg("-D").arg(server.data()).args(["-U", "coscribe", "-A", "trust", "--no-sync"]);
        initdb.stdout(Stdio::null());
        assert!(within("a new database", initdb.status()).await.unwrap().success());
        server.run().await;
        server
    }

    /// The URL of the empty database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://coscribe@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops the server at once: connections break, and what is not committed is lost.
    pub async fn stop_at_once(&mut self) {
        let mut child = self.child.take().unwrap();
        send_signal("QUIT", child.id().unwrap());
        within("the end of PostgreSQL", child.wait()).await.unwrap();
    }

    /// Starts the server again, with everything that was committed.
    pub async fn run(&mut self) {
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).arg("-p").arg(self.port.to_string());
        command.arg("-k").arg(self.folder.path()).args(["-h", "127.0.0.1"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.child = Some(command.spawn().unwrap());
        let ready = async {
            let port = self.port.to_string();
            loop {
                let mut is_ready = Command::new(self.programs.join("pg_isready"));
                is_ready.args(["-q", "-h", "127.0.0.1", "-p", &port]);
                if is_ready.status().await.unwrap().success() {
                    return;
                }
            }
        };
        within("the start of PostgreSQL", ready).await;
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("db")
    }

    /// PostgreSQL refuses to run as root.
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

/// Whether this process runs as root.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The folder of PostgreSQL's programs: on the path, or where Debian puts them.
fn programs() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut debian: Vec<_> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let mut folders = std::env::split_paths(&path).chain(debian.into_iter().rev());
    // A link on the path leads to the folder that has the others too.
    let initdb = folders.find_map(|folder| folder.join("initdb").canonicalize().ok());
    let initdb = initdb.expect("PostgreSQL is in the Debian package postgresql");
    initdb.parent().unwrap().to_owned()
}
