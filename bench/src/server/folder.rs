//! The temporary folder of a run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

/// Lines of a log that are shown.
const LINES: usize = 5;

/// A folder for the data and logs of what is started here. Dropping it deletes it.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    /// Creates the folder.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn create() -> anyhow::Result<Self> {
        Ok(Self(TempDir::with_prefix("coscribe-bench-")?))
    }

    /// Returns the path of something in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Returns the last lines of a log.
pub(crate) fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
