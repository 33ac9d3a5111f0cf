//! The server's program.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;

use super::profile::{self, profile_of};
use crate::report::console;

/// The program of the server.
#[derive(Debug, Clone)]
pub(crate) struct Program(PathBuf);

impl Program {
    /// Returns the program that was given, or else the one beside this program. Under `cargo run` that is built, unless it is newer
    /// than its sources.
    ///
    /// # Errors
    /// There is none, it cannot be built, or it is older than its sources.
    pub(crate) async fn find(given: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = given {
            ensure!(path.is_file(), "there is no server {}: correct --server", path.display());
            return Ok(Self(path.canonicalize()?));
        }
        let own = env::current_exe().context("the place of this program is unknown")?;
        let (path, main) = (own.with_file_name("coscribe"), checkout().join("src/main.rs"));
        match (profile::is_current(&path, &main), env::var_os("CARGO")) {
            (Some(true), _) => {}
            (_, Some(cargo)) => build(Path::new(&cargo), &own).await?,
            (None, None) => ensure!(
                path.is_file(),
                "there is no server beside this program. Build it with `cargo build --release`, or pass --server or --url"
            ),
            (Some(false), None) => bail!(
                "the server beside this program is older than its sources. Build it with `cargo build --release`, or pass it as --server"
            ),
        }
        Ok(Self(path))
    }

    /// Returns a command that runs it.
    pub(crate) fn command(&self) -> Command {
        Command::new(&self.0)
    }

    /// Returns what the program says of its version.
    pub(crate) async fn find_version(&self) -> Option<String> {
        let output = self.command().arg("--version").output().await.ok()?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    }

    /// Returns the profile with which the program was built, as far as its folder tells.
    pub(crate) fn profile(&self) -> Option<String> {
        profile_of(&self.0)
    }
}

/// Returns the folder of the sources that this program was built from.
fn checkout() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Builds the server in the same profile and folder as this program.
async fn build(cargo: &Path, own: &Path) -> anyhow::Result<()> {
    let folder = own.parent().context("this program is in no folder")?;
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") => "dev",
        Some(name) => name,
        None => "release",
    };
    console::progress("building the server");
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "coscribe", "--bin", "coscribe"]);
    command.args(["--profile", profile]).current_dir(checkout());
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    let status = command.status().await.context("cargo cannot be run")?;
    ensure!(status.success(), "the server cannot be built; cargo has printed why");
    Ok(())
}
