//! A private PostgreSQL.

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use tokio::process::Command;

use super::{
    folder::{Folder, last_lines},
    port,
    private_process::PrivateProcess,
};
use crate::measure::wait_until_async;

/// The longest time until it accepts connections.
const START_WITHIN: Duration = Duration::from_secs(60);

/// Connections that it accepts. Few, so that a load can take all of them.
const MAX_CONNECTIONS: &str = "60";

/// Where Debian puts the programs of each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A running `postgres` with an empty database. Dropping it stops it; its data is deleted with the folder.
#[derive(Debug)]
pub(crate) struct Postgres {
    process: PrivateProcess,
    port: u16,
}

/// The account that runs PostgreSQL, which refuses to run as root.
#[derive(Debug, Clone, Copy)]
struct Account {
    user: u32,
    group: u32,
}

impl Postgres {
    /// Returns whether the programs are installed.
    pub(crate) fn is_installed() -> bool {
        programs().is_some()
    }

    /// Returns what the program says of its version. `None` if it is not installed.
    pub(crate) async fn find_version() -> Option<String> {
        let program = programs()?.join("postgres");
        let output = Command::new(program).arg("--version").output().await.ok()?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    }

    /// Creates an empty database and starts the server on a free port.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) async fn start(folder: &Folder) -> anyhow::Result<Self> {
        let programs = programs().context("PostgreSQL is not installed")?;
        let (data, account) = (folder.path("postgres"), unprivileged_account()?);
        fs::create_dir_all(&data)?;
        if let Some(account) = account {
            // It must be able to reach its folder, too.
            fs::set_permissions(
                folder.path(""),
                std::os::unix::fs::PermissionsExt::from_mode(0o755),
            )?;
            chown(&data, Some(account.user), Some(account.group))?;
        }
        let mut initdb = command(&programs, "initdb", account);
        initdb.arg("-D").arg(data.join("db")).args([
            "-U",
            "coscribe",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale",
            "C",
            "--no-sync",
        ]);
        let output = initdb.output().await?;
        ensure!(
            output.status.success(),
            "initdb cannot create a database: {}",
            String::from_utf8_lossy(&output.stderr)
        );

        let (port, log) = (port::find_free()?, folder.path("postgres.log"));
        let mut postgres = command(&programs, "postgres", account);
        postgres.arg("-D").arg(data.join("db")).args(["-p", &port.to_string(), "-h", "127.0.0.1"]);
        postgres.arg("-k").arg(&data).args(["-c", &format!("max_connections={MAX_CONNECTIONS}")]);
        postgres.stdout(Stdio::null());
        let mut process = PrivateProcess::start(postgres, &log)?;
        let is_ready = wait_until_async(START_WITHIN, async || {
            let mut check = Command::new(programs.join("pg_isready"));
            check.args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()]);
            check.status().await.is_ok_and(|status| status.success())
        });
        if !is_ready.await || process.has_ended() {
            bail!("PostgreSQL does not start:\n{}", last_lines(&log));
        }
        Ok(Self { process, port })
    }

    /// Returns the URL of its database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://coscribe@127.0.0.1:{}/postgres?sslmode=disable", self.port)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Killed at once, it would leave shared memory behind. Its data is not needed any more.
        self.process.end(Signal::QUIT);
    }
}

/// Returns the folder of the programs: one on the path, or the newest of Debian.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    let on_path = on_path
        .and_then(|folder| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned()));
    on_path.or_else(|| {
        let versions = fs::read_dir(DEBIAN).ok()?.filter_map(Result::ok);
        let folders = versions.map(|version| version.path());
        let installed = folders.filter(|folder| folder.join("bin/initdb").is_file());
        Some(installed.max_by_key(|folder| version(folder))?.join("bin"))
    })
}

/// Returns the numbers of the version in the name of a folder, such as `9.6` or `15`. A part that is no number counts as 0.
fn version(folder: &Path) -> Vec<u32> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// Returns the account `postgres` if this process is root.
fn unprivileged_account() -> anyhow::Result<Option<Account>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = fs::read_to_string("/etc/passwd")?;
    let mut fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = fields.find(|fields| fields.first() == Some(&"postgres"));
    let number = |field: Option<&&str>| field.and_then(|text| text.parse().ok());
    let account = fields.and_then(|fields| {
        Some(Account { user: number(fields.get(2))?, group: number(fields.get(3))? })
    });
    account.map(Some).context("PostgreSQL does not run as root, and there is no user postgres")
}

fn command(programs: &Path, name: &str, account: Option<Account>) -> Command {
    let mut command = Command::new(programs.join(name));
    if let Some(account) = account {
        command.uid(account.user).gid(account.group);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let [old, middle, new] =
            ["9.6", "15", "15.1"].map(|name| version(&Path::new(DEBIAN).join(name)));
        assert!(old < middle && middle < new);
    }
}
