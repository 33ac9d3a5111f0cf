//! The lock that keeps two servers from using one SQLite database.
//!
//! Each server keeps open documents in memory, and would not notice what the other one stores.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// The lock of a database file. Dropping it, or the end of the process, gives it up.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

/// Why a database file could not be locked.
#[derive(Debug, Error)]
pub enum FileLockError {
    /// Another server uses the database.
    #[error(
        "Another coscribe serves the database {}. Stop it first, or set another folder with --data-dir.",
        .0.display()
    )]
    InUse(PathBuf),
    /// The lock file cannot be opened or locked.
    #[error("The lock file {} cannot be used. Make its folder writable.", .path.display())]
    Unusable {
        /// The lock file.
        path: PathBuf,
        /// The cause.
        #[source]
        cause: io::Error,
    },
}

impl FileLock {
    /// Locks a database file, by a file beside it whose name ends in `.lock`.
    ///
    /// # Errors
    /// [`FileLockError`].
    pub fn of(database: &Path) -> Result<Self, FileLockError> {
        let mut path = database.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let opened = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .and_then(|file| match file.try_lock() {
                Ok(()) => Ok(Some(file)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error),
            });
        match opened {
            Ok(Some(file)) => Ok(Self { _file: file }),
            Ok(None) => Err(FileLockError::InUse(database.to_owned())),
            Err(cause) => Err(FileLockError::Unusable { path, cause }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_has_one_server_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("coscribe.db");
        let first = FileLock::of(&database).unwrap();

        let error = FileLock::of(&database).unwrap_err();
        assert!(matches!(error, FileLockError::InUse(_)), "{error:?}");

        drop(first);
        FileLock::of(&database).unwrap();
    }
}
