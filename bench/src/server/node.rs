//! A node in a process of its own.

use std::{fs::File, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, bail};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::Child,
    time::timeout,
};

use super::{Program, folder::last_lines};
use crate::driver::Address;

/// The longest time until a node listens.
const START_WITHIN: Duration = Duration::from_secs(120);

/// What a node is started with.
#[derive(Debug, Clone)]
pub(crate) struct NodeSettings {
    pub(crate) program: Program,
    /// The folder of its data. Its log is beside it.
    pub(crate) data: PathBuf,
    /// Variables of its environment.
    pub(crate) variables: Vec<(&'static str, String)>,
}

/// A node. Dropping it kills its process.
#[derive(Debug)]
pub(crate) struct NodeProcess {
    settings: NodeSettings,
    child: Child,
    port: u16,
}

impl NodeProcess {
    /// Starts a node on a free port and waits until it listens.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start(settings: NodeSettings) -> anyhow::Result<Self> {
        Self::start_on(settings, 0).await
    }

    async fn start_on(settings: NodeSettings, port: u16) -> anyhow::Result<Self> {
        let log = settings.data.with_extension("log");
        std::fs::create_dir_all(&settings.data)?;
        let mut command = settings.program.command();
        command.arg("serve").args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.arg("--data-dir").arg(&settings.data).current_dir(&settings.data);
        // Other settings of the caller's environment apply, so that they can be tried out.
        command.env_remove("DATABASE_URL").env_remove("REDIS_URL");
        command.envs(settings.variables.iter().map(|(name, value)| (name, value)));
        let log_file = File::options().create(true).append(true).open(&log)?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log_file).kill_on_drop(true);
        let mut child = command.spawn().context("the server cannot be run")?;
        let output = child.stdout.take().context("the server has no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let line = timeout(START_WITHIN, lines.next_line()).await;
        let line = line.ok().and_then(Result::ok).flatten().unwrap_or_default();
        let port = line.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let Some(port) = port else {
            bail!("the server does not start:\n{}", last_lines(&log));
        };
        Ok(Self { settings, child, port })
    }

    /// Returns its address.
    ///
    /// # Errors
    /// None in practice: the address is valid.
    pub(crate) fn address(&self) -> anyhow::Result<Address> {
        Address::parse(&format!("http://127.0.0.1:{}", self.port))
    }

    /// Returns the id of its process. `None` if it has ended.
    pub(crate) fn process(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills it: it finishes nothing and sends nothing.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }

    /// Starts it again on the same port with the same data, after it was killed.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        *self = Self::start_on(self.settings.clone(), self.port).await?;
        Ok(())
    }
}
