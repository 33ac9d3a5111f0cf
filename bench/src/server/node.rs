//! A node in a process of its own.

use std::{fs, path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    time::timeout,
};

use super::{Program, folder::last_lines, port, private_process::PrivateProcess};
use crate::driver::Address;

/// The longest time until a node listens.
const START_WITHIN: Duration = Duration::from_secs(120);

/// How many ports are tried for a new node.
const ATTEMPTS: usize = 5;

/// The longest wait for the port of a node that starts again.
const PORT_WITHIN: Duration = Duration::from_secs(30);

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
    process: PrivateProcess,
    port: u16,
}

impl NodeProcess {
    /// Starts a node on a free port and waits until it listens.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start(settings: NodeSettings) -> anyhow::Result<Self> {
        let mut attempt = 1;
        loop {
            let port = port::find_free()?;
            match run(&settings, port).await {
                Ok(process) => return Ok(Self { settings, process, port }),
                // Another process may have taken the port meanwhile.
                Err(_) if attempt < ATTEMPTS && !port::is_free(port) => attempt += 1,
                Err(error) => return Err(error),
            }
        }
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
        self.process.id()
    }

    /// Kills it: it finishes nothing and sends nothing.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// Starts it again on the same port with the same data, after it was killed.
    ///
    /// # Errors
    /// It does not start, or another process has taken its port.
    pub(crate) async fn start_again(&mut self) -> anyhow::Result<()> {
        port::wait_until_free(self.port, PORT_WITHIN).await?;
        self.process = run(&self.settings, self.port).await?;
        Ok(())
    }
}

/// Starts a node and waits until it listens.
async fn run(settings: &NodeSettings, port: u16) -> anyhow::Result<PrivateProcess> {
    let log = settings.data.with_extension("log");
    fs::create_dir_all(&settings.data)?;
    let mut command = settings.program.command();
    command.arg("serve").args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    command.arg("--data-dir").arg(&settings.data).current_dir(&settings.data);
    // Other settings of the caller's environment apply, so that they can be tried out.
    command.env_remove("DATABASE_URL").env_remove("REDIS_URL");
    command.envs(settings.variables.iter().map(|(name, value)| (name, value)));
    command.stdout(Stdio::piped());
    let mut process = PrivateProcess::start(command, &log)?;
    let output = process.take_output().context("the server has no standard output")?;
    let mut lines = BufReader::new(output).lines();
    let Ok(line) = timeout(START_WITHIN, lines.next_line()).await else {
        bail!(
            "the server does not listen after {START_WITHIN:?}. Its log ends with:\n{}",
            last_lines(&log)
        );
    };
    let listens = line.ok().flatten().is_some_and(|line| line.ends_with(&format!(":{port}")));
    ensure!(listens, "the server does not start. Its log ends with:\n{}", last_lines(&log));
    Ok(process)
}
