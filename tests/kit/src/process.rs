//! The real binary in a process of its own, as an operator runs it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command as BlockingCommand, ExitStatus, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{Node, patience::PATIENT, within};

/// The binary that `cargo test` built: `Program::new(env!("CARGO_BIN_EXE_coscribe"))`.
#[derive(Debug, Clone, Copy)]
pub struct Program(&'static str);

impl Program {
    /// The binary at this path.
    #[must_use]
    pub const fn new(path: &'static str) -> Self {
        Self(path)
    }

    /// A command in an empty environment, with its data in `folder/data`.
    #[must_use]
    pub fn command(self, folder: &Path) -> Command {
        prepare(Command::new(self.0), folder)
    }

    /// Runs a command to its end.
    pub async fn run(self, folder: &Path, arguments: &[&str]) -> Output {
        let output = self.command(folder).args(arguments).output();
        within("the end of a command", output).await.unwrap()
    }

    /// Starts a node on a free port and waits until it listens.
    pub async fn start(self, folder: &Path, settings: &[(&str, &str)]) -> NodeProcess {
        NodeProcess::start(self.command(folder), settings, Stdio::null()).await
    }

    /// Starts a node whose standard error is a pipe that nobody reads, and whose standard output is closed after the first
    /// line.
    pub async fn start_with_unread_log(
        self,
        folder: &Path,
        settings: &[(&str, &str)],
    ) -> NodeProcess {
        NodeProcess::start(self.command(folder), settings, Stdio::piped()).await
    }

    /// Starts a node that writes its log into `log`.
    pub async fn start_with_log(
        self,
        folder: &Path,
        settings: &[(&str, &str)],
        log: Stdio,
    ) -> NodeProcess {
        NodeProcess::start(self.command(folder), settings, log).await
    }

    /// Starts a node whose standard input and standard error are closed from the start.
    pub async fn start_without_log(self, folder: &Path, settings: &[(&str, &str)]) -> NodeProcess {
        let shell = self.shell(folder, "exec \"$0\" \"$@\" <&- 2>&-");
        NodeProcess::start(shell, settings, Stdio::null()).await
    }

    /// Starts a node whose standard input and standard output are closed from the start. Its log, in JSON, is a pipe that
    /// nobody reads after the first lines.
    pub async fn start_without_output(
        self,
        folder: &Path,
        settings: &[(&str, &str)],
    ) -> NodeProcess {
        let shell = self.shell(folder, "exec \"$0\" \"$@\" <&- >&-");
        NodeProcess::start_and_read_log(shell, settings).await
    }

    /// Starts a node for which a write beyond [`NodeProcess::limit_file_size`] fails, as on a full disk. Otherwise the
    /// kernel would end the process. It writes its log into `log`.
    pub async fn start_on_a_limited_disk(
        self,
        folder: &Path,
        settings: &[(&str, &str)],
        log: Stdio,
    ) -> NodeProcess {
        let shell = self.shell(folder, "trap '' XFSZ; exec \"$0\" \"$@\"");
        NodeProcess::start(shell, settings, log).await
    }

    /// A command of the shell that runs the binary with further arguments: `exec "$0" "$@"`.
    fn shell(self, folder: &Path, command: &str) -> Command {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", command, self.0]);
        prepare(shell, folder)
    }
}

fn prepare(mut command: Command, folder: &Path) -> Command {
    command.env_clear().current_dir(folder).arg("--data-dir").arg(folder.join("data"));
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// A node in a process of its own. Dropping it kills the process.
pub struct NodeProcess {
    child: Child,
    address: SocketAddr,
    _folder: Option<TempDir>,
}

impl Node for NodeProcess {
    fn address(&self) -> SocketAddr {
        self.address
    }
}

impl NodeProcess {
    async fn start(mut command: Command, settings: &[(&str, &str)], log: Stdio) -> Self {
        listen(&mut command, settings);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = within("the first line of the node", lines.next_line()).await.unwrap();
        let line = line.expect("a node that starts");
        let address = line.strip_prefix("coscribe listens on http://").unwrap();
        Self { child, address: address.parse().unwrap(), _folder: None }
    }

    async fn start_and_read_log(mut command: Command, settings: &[(&str, &str)]) -> Self {
        listen(&mut command, settings);
        command.env("COSCRIBE__TELEMETRY__FORMAT", "json");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.as_mut().unwrap()).lines();
        let address = loop {
            let line = within("the line with the address", lines.next_line()).await.unwrap();
            let event: Value = serde_json::from_str(&line.expect("a node that starts")).unwrap();
            if event["message"] == "listening" {
                break event["address"].as_str().unwrap().parse().unwrap();
            }
        };
        Self { child, address, _folder: None }
    }

    /// Closes the reader's end of the log, as when the program that reads it has died.
    pub fn close_log(&mut self) {
        drop(self.child.stderr.take().expect("a node whose log is a pipe"));
    }

    /// The files behind the descriptors 0, 1 and 2, on Linux.
    #[must_use]
    pub fn standard_files(&self) -> [PathBuf; 3] {
        let process = self.child.id().unwrap();
        [0, 1, 2].map(|number| fs::read_link(format!("/proc/{process}/fd/{number}")).unwrap())
    }

    /// Makes the data folder part of this value.
    pub(crate) fn owning(self, folder: TempDir) -> Self {
        Self { _folder: Some(folder), ..self }
    }

    /// The id of the process. Fails the test if it has ended.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends a signal by its name: `TERM`, `INT`.
    pub fn signal(&self, name: &str) {
        send_signal(name, self.child.id().unwrap());
    }

    /// Waits for the end of the process.
    pub async fn expect_exit(mut self) -> ExitStatus {
        within("the end of the node", self.child.wait()).await.unwrap()
    }

    /// Stops the node in order. Its clients must have left: fails the test if a room, session or seat remains.
    pub async fn stop(self) {
        self.expect_no_leftovers().await;
        self.terminate().await;
    }

    /// Stops the node in order, with whatever clients it has.
    pub async fn terminate(self) {
        self.signal("TERM");
        assert!(self.expect_exit().await.success());
    }

    /// Kills the node: it finishes nothing and sends nothing.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Suspends the node: it does nothing, and its sockets stay open.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Lets a paused node go on.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Limits the size of every file that the node writes, as `prlimit --fsize` takes it: `SOFT:` or `unlimited:`.
    pub async fn limit_file_size(&self, limit: &str) {
        let process = self.child.id().unwrap().to_string();
        let mut command = Command::new("prlimit");
        let status = command.args(["--pid", &process, &format!("--fsize={limit}")]).status().await;
        assert!(status.unwrap().success(), "prlimit is in the package util-linux");
    }
}

/// Makes a node listen on a free port, with these settings.
fn listen(command: &mut Command, settings: &[(&str, &str)]) {
    command.args(["--host", "127.0.0.1", "--port", "0"]).envs(PATIENT);
    // The addresses of people in tests are their own.
    command.env("COSCRIBE__AUTH__UNCONFIRMED_ADDRESSES", "true");
    command.envs(settings.iter().copied());
}

/// Sends a signal to a process.
pub(crate) fn send_signal(name: &str, process: u32) {
    // The shell's own command, which needs no package.
    let command = format!("kill -{name} {process}");
    let status = BlockingCommand::new("sh").args(["-c", &command]).status().unwrap();
    assert!(status.success());
}
