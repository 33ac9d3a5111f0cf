//! The real binary, as an operator runs it.

use std::{
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Output, Stdio},
};

use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::Listens;
use crate::support::node::within;

/// A running server.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// The binary in an empty environment, with its data in `folder`.
    pub(crate) fn command(folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_coscribe"));
        command.env_clear().current_dir(folder).arg("--data-dir").arg(folder.join("data"));
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs the binary to its end.
    pub(crate) async fn run(folder: &Path, arguments: &[&str]) -> Output {
        let output = Self::command(folder).args(arguments).output();
        within("the end of a command", output).await.unwrap()
    }

    /// A server on a free port; it stays in the background until a signal comes.
    pub(crate) async fn start(folder: &Path, variables: &[(&str, &str)]) -> Self {
        let mut command = Self::command(folder);
        command.args(["--host", "127.0.0.1", "--port", "0"]).envs(variables.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within("the first line of the server", lines.next_line()).await.unwrap();
        let line = line.unwrap();
        let address = line.strip_prefix("coscribe listens on http://").unwrap();
        Self { child, address: address.parse().unwrap() }
    }

    /// Sends a signal by its name: `TERM`, `INT`.
    pub(crate) async fn signal(&self, name: &str) {
        let process = self.child.id().unwrap();
        let mut kill = Command::new("sh");
        kill.args(["-c", &format!("kill -{name} {process}")]);
        assert!(kill.status().await.unwrap().success());
    }

    pub(crate) async fn exited(mut self) -> ExitStatus {
        within("the end of the server", self.child.wait()).await.unwrap()
    }
}

impl Listens for Server {
    fn address(&self) -> SocketAddr {
        self.address
    }
}
