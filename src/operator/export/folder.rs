//! The folders that an export writes.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
};

use anyhow::Context as _;

/// Creates the folder, which must be empty if it exists. Only its owner may read it.
pub(super) fn prepare(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        let mut entries =
            fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
        anyhow::ensure!(
            entries.next().is_none(),
            "the folder {} is not empty; name a new one with --to",
            folder.display()
        );
        return Ok(());
    }
    create_folder(folder)
}

pub(super) fn create_folder(folder: &Path) -> anyhow::Result<()> {
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.with_context(|| format!("cannot create the folder {}", folder.display()))
}
