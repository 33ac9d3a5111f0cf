//! A process that is started here and ends with this program.

use std::{fs::File, path::Path, process::Stdio, thread, time::Duration};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdout, Command};

/// How often the end of a process is checked, and how many times.
const END_CHECK_EVERY: Duration = Duration::from_millis(10);
const END_CHECKS: u32 = 500;

/// A running process. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub(crate) struct PrivateProcess {
    child: Child,
}

impl PrivateProcess {
    /// Starts a process that writes its errors into a file. Its output can be read with [`PrivateProcess::take_output`].
    ///
    /// # Errors
    /// The program cannot be run, or the file not be written.
    pub(crate) fn start(mut command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("{} cannot be written", log.display()))?;
        command.stdin(Stdio::null()).stderr(file).kill_on_drop(true);
        let program = command.as_std().get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("{program} cannot be run"))?;
        Ok(Self { child })
    }

    /// Returns the standard output, once, if the command pipes it.
    pub(crate) fn take_output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Returns the id of the process. `None` if it has ended.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
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

impl Drop for PrivateProcess {
    fn drop(&mut self) {
        // A process that has ended and was not waited for keeps its entry in the table of processes.
        self.end(Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[tokio::test]
    async fn a_dropped_process_has_ended_and_was_waited_for() {
        let folder = TempDir::new().unwrap();
        let mut command = Command::new("sleep");
        command.arg("600").stdout(Stdio::null());
        let process = PrivateProcess::start(command, &folder.path().join("log")).unwrap();
        let entry = Path::new("/proc").join(process.id().unwrap().to_string());
        assert!(entry.exists());
        drop(process);
        assert!(!entry.exists(), "{} is a zombie", entry.display());
    }

    #[tokio::test]
    async fn a_program_that_is_missing_is_named() {
        let folder = TempDir::new().unwrap();
        let command = Command::new("no-such-program");
        let error = PrivateProcess::start(command, &folder.path().join("log")).unwrap_err();
        assert!(error.to_string().contains("no-such-program"), "{error:#}");
    }
}
