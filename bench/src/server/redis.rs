//! A private Redis.

use std::{process::Stdio, time::Duration};

use anyhow::bail;
use tokio::{net::TcpStream, process::Command};

use super::{
    folder::{Folder, last_lines},
    port,
    private_process::PrivateProcess,
};
use crate::measure::wait_until_async;

/// The longest time until it accepts connections.
const START_WITHIN: Duration = Duration::from_secs(30);

/// The longest wait for its port when it starts again.
const PORT_WITHIN: Duration = Duration::from_secs(30);

/// A running `redis-server` without persistence. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Redis {
    process: PrivateProcess,
    folder: std::path::PathBuf,
    port: u16,
}

impl Redis {
    /// Returns what the program says of its version. `None` if it is not installed.
    pub(crate) async fn find_version() -> Option<String> {
        let output = Command::new("redis-server").arg("--version").output().await.ok()?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    }

    /// Starts it on a free port.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start(folder: &Folder) -> anyhow::Result<Self> {
        let (port, folder) = (port::find_free()?, folder.path("redis"));
        std::fs::create_dir_all(&folder)?;
        let process = run(port, &folder).await?;
        Ok(Self { process, folder, port })
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Kills it: all its data is lost.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// Starts it again, without data.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        port::wait_until_free(self.port, PORT_WITHIN).await?;
        self.process = run(self.port, &self.folder).await?;
        Ok(())
    }
}

async fn run(port: u16, folder: &std::path::Path) -> anyhow::Result<PrivateProcess> {
    let log = folder.join("log");
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", ""]);
    command.args(["--appendonly", "no", "--maxclients", "10000", "--logfile"]).arg(&log);
    command.arg("--dir").arg(folder).stdout(Stdio::null());
    let mut process = PrivateProcess::start(command, &log)?;
    let answers = wait_until_async(START_WITHIN, async || {
        TcpStream::connect(("127.0.0.1", port)).await.is_ok()
    });
    if !answers.await || process.has_ended() {
        bail!("Redis does not start:\n{}", last_lines(&log));
    }
    Ok(process)
}
