//! The files that are written after a run.

use std::path::Path;

use anyhow::ensure;

/// Checks before a run that a file can probably be written after it.
///
/// # Errors
/// Its folder does not exist, or it is a folder.
pub(crate) fn check(file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    ensure!(folder.is_dir(), "{} cannot be written: its folder does not exist", file.display());
    ensure!(!file.is_dir(), "{} cannot be written: it is a folder", file.display());
    Ok(())
}
