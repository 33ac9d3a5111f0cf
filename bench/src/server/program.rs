//! The server's program.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail, ensure};
use tokio::process::Command;

use crate::report::console;

/// The program of the server.
#[derive(Debug, Clone)]
pub(crate) struct Program(PathBuf);

impl Program {
    /// Returns the program that was given, or else the one beside this program. Under `cargo run` it is built first, so that it
    /// is not older than its sources.
    ///
    /// # Errors
    /// There is none, or it cannot be built.
    pub(crate) async fn find(given: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = given {
            ensure!(path.is_file(), "there is no server {}", path.display());
            return Ok(Self(path.canonicalize()?));
        }
        let own = env::current_exe().context("the place of this program is unknown")?;
        if let Some(cargo) = env::var_os("CARGO") {
            build(Path::new(&cargo), &own).await?;
        }
        let path = own.with_file_name("coscribe");
        if !path.is_file() {
            bail!(
                "there is no server beside this program. Build it with `cargo build --release`, or pass --server or --url"
            );
        }
        Ok(Self(path))
    }

    /// Returns a command that runs it.
    pub(crate) fn command(&self) -> Command {
        Command::new(&self.0)
    }

    /// Returns what the program says of its version.
    pub(crate) async fn version(&self) -> Option<String> {
        let output = self.command().arg("--version").output().await.ok()?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
    }
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
    command.args(["--profile", profile]);
    if let Some(target) = folder.parent() {
        command.arg("--target-dir").arg(target);
    }
    let status = command.status().await.context("cargo cannot be run")?;
    ensure!(status.success(), "the server cannot be built");
    Ok(())
}
