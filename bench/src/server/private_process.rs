//! A process that is started here and ends with this program.

use std::{fs::File, path::Path, process::Stdio, thread, time::Duration};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// How often the end of a process is checked, and how many times.
const END_CHECK_EVERY: Duration = Duration::from_millis(10);
const END_CHECKS: u32 = 500;

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

    /// Asks the process to end with this signal, and waits for that for a few seconds.
    pub(crate) fn end(&mut self, signal: Signal) {
        let Some(process) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) else {
            return;
        };
        // A process that has ended by itself is no failure.
        let _sent = kill_process(process, signal);
        for _ in 0..END_CHECKS {
            if self.has_ended() {
                return;
            }
            thread::sleep(END_CHECK_EVERY);
        }
    }

    /// Kills the process and waits for its end.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}
