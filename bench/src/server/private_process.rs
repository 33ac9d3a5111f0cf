//! A process that is started here and ends with this program.

use std::{fs::File, path::Path, process::Stdio};

use anyhow::Context as _;
use tokio::process::{Child, Command};

/// A running process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct PrivateProcess {
    child: Child,
}

impl PrivateProcess {
    /// Starts a process that writes its errors into a file.
    ///
    /// # Errors
    /// The program cannot be run.
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).kill_on_drop(true);
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("{program} cannot be run"))?;
        Ok(Self { child })
    }

    /// Returns whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills the process and waits for its end.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}
