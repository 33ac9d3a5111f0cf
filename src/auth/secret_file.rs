//! The signing secret that an installation generates and keeps in its data folder.
//!
//! The file `jwt-secret` contains one line of text. The bytes of that text are the secret, so an operator can copy it
//! to `JWT_SECRET`. The file appears complete or not at all: processes that start at the same moment on the same folder
//! all use the secret of the first.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use thiserror::Error;

use super::{Secret, SigningKeys};

/// The name of the file in the data folder.
const NAME: &str = "jwt-secret";

/// Random bytes in a new secret.
const RANDOM_BYTES: usize = 48;

/// The largest file that is read, in bytes. A longer secret is a mistake.
const MAX_FILE_BYTES: u64 = 4096;

/// Why the secret file cannot be used.
#[derive(Debug, Error)]
pub enum SecretFileError {
    /// The file cannot be read or created.
    #[error(
        "The signing secret {} cannot be {action}. Give this user read and write access to the folder, or set JWT_SECRET.",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The operation that failed: "read" or "created".
        action: &'static str,
        /// The error of the system.
        #[source]
        cause: io::Error,
    },
    /// Other users of the machine may read or change the file.
    #[error(
        "The signing secret {path} can be read or changed by other users (mode {mode:03o}). Run: chmod 600 {path}",
        path = path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The content of the file is not a usable secret.
    #[error(
        "The signing secret {} {problem}. Write one line of {} to {MAX_FILE_BYTES} bytes of text to it, or remove the \
         file: the next start then generates a new secret, which invalidates all tokens.",
        path.display(), SigningKeys::MIN_SECRET
    )]
    Unsuitable {
        /// The file.
        path: PathBuf,
        /// What is wrong with the content.
        problem: &'static str,
    },
    /// The system has no random bytes.
    #[error("The system has no random bytes for a new signing secret. Set JWT_SECRET.")]
    NoRandomness(#[source] getrandom::Error),
}

/// Returns the secret in `data_dir`. Creates the folder and the secret if they are missing.
///
/// # Errors
/// The file cannot be read or created, other users can read it and that cannot be changed, or its content is not a
/// secret.
pub(super) fn load_or_create(data_dir: &Path) -> Result<Secret, SecretFileError> {
    let path = data_dir.join(NAME);
    if let Some(secret) = read(&path)? {
        return Ok(secret);
    }
    create(data_dir, &path)?;
    read(&path)?.ok_or_else(|| unusable(&path, "read")(io::ErrorKind::NotFound.into()))
}

/// Returns the secret in the file, or none if the file does not exist.
fn read(path: &Path) -> Result<Option<Secret>, SecretFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, "read")(error)),
    };
    // The mode of the open file, not of the name: the name might point to another file by now.
    let mode = file.metadata().map_err(unusable(path, "read"))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        // A platform that mounts the folder for a group sets such modes. The open file is changed, not the name.
        let corrected = file.set_permissions(fs::Permissions::from_mode(mode & 0o700));
        if corrected.is_err() {
            return Err(SecretFileError::Exposed { path: path.to_owned(), mode });
        }
        let path = path.display();
        tracing::warn!(
            %path, mode = format_args!("{mode:o}"),
            "other users could read the signing secret; its permissions were corrected"
        );
    }
    let mut content = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content).map_err(unusable(path, "read"))?;
    let unsuitable = |problem| SecretFileError::Unsuitable { path: path.to_owned(), problem };
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(unsuitable("is too long"));
    }
    let text = String::from_utf8(content).map_err(|_bytes| unsuitable("is not text"))?;
    let text = text.trim();
    if text.len() < SigningKeys::MIN_SECRET {
        return Err(unsuitable("is too short"));
    }
    Ok(Some(Secret::new(text)))
}

/// Creates the file with a new secret, unless another process was first.
fn create(data_dir: &Path, path: &Path) -> Result<(), SecretFileError> {
    let mut random = [0_u8; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(SecretFileError::NoRandomness)?;
    let text = URL_SAFE_NO_PAD.encode(random);
    let draft = data_dir.join(format!(".{NAME}.{}", uuid::Uuid::now_v7()));
    publish(data_dir, &draft, path, &text).map_err(unusable(path, "created"))
}

/// Writes `text` to the file `draft`, then links it to `path` in one step.
///
/// A hard link fails if the name is taken. A rename would replace a secret that another process already signs with.
fn publish(data_dir: &Path, draft: &Path, path: &Path, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(data_dir)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    let linked = writeln!(file, "{text}")
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::hard_link(draft, path));
    fs::remove_file(draft)?;
    match linked {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        // The name must be on the disk before the secret signs its first token.
        Ok(()) => File::open(data_dir)?.sync_all(),
    }
}

fn unusable(path: &Path, action: &'static str) -> impl Fn(io::Error) -> SecretFileError {
    let path = path.to_owned();
    move |cause| SecretFileError::Unusable { path: path.clone(), action, cause }
}

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    fn write(folder: &Path, content: impl AsRef<[u8]>, mode: u32) -> PathBuf {
        let path = folder.join(NAME);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_first_start_creates_a_private_secret_and_later_starts_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("not/yet/there");

        let first = load_or_create(&data_dir).unwrap();
        let second = load_or_create(&data_dir).unwrap();

        assert_eq!(first.expose(), second.expose());
        assert_eq!(first.expose().len(), 64);
        let mode = fs::metadata(data_dir.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn two_folders_get_two_secrets() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (load_or_create(one.path()), load_or_create(other.path()));
        assert_ne!(one.unwrap().expose(), other.unwrap().expose());
    }

    #[test]
    fn concurrent_starts_use_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(8);
        let start = || {
            barrier.wait();
            load_or_create(folder.path()).unwrap().expose().to_owned()
        };
        let secrets: Vec<String> = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]), "{secrets:?}");
    }

    #[test]
    fn the_permissions_of_a_secret_that_other_users_can_read_are_corrected() {
        let folder = tempfile::tempdir().unwrap();
        for mode in [0o660, 0o640, 0o604, 0o644] {
            let path = write(folder.path(), "s".repeat(40), mode);

            load_or_create(folder.path()).unwrap();

            let corrected = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            assert_eq!(corrected, 0o600, "{mode:o}");
        }
    }

    #[test]
    fn an_unusable_file_is_refused_and_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        for content in [vec![], vec![b's'; 31], vec![b's'; 5000], vec![0xff; 40]] {
            let path = write(folder.path(), &content, 0o600);
            let error = load_or_create(folder.path()).unwrap_err();
            assert!(matches!(error, SecretFileError::Unsuitable { .. }), "{error:?}");
            assert_eq!(fs::read(path).unwrap(), content);
        }
    }

    #[test]
    fn the_line_break_is_not_part_of_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "0123456789abcdef0123456789abcdef\n", 0o600);
        let secret = load_or_create(folder.path()).unwrap();
        assert_eq!(secret.expose(), "0123456789abcdef0123456789abcdef");
    }
}
