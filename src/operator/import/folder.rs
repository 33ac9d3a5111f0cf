//! A folder of files with one state each.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    vec,
};

use anyhow::Context as _;
use percent_encoding::percent_decode_str;

use super::source::FoundState;

/// The endings of files with states.
const ENDINGS: [&str; 2] = ["yjs", "bin"];

/// A folder of files with one state each.
pub(super) struct FolderSource {
    files: vec::IntoIter<StateFile>,
    last: Option<PathBuf>,
    others: usize,
}

struct StateFile {
    name: String,
    path: PathBuf,
}

impl FolderSource {
    /// Lists the files of a folder, but none in the folders within it.
    pub(super) fn open(folder: &Path) -> anyhow::Result<Self> {
        let unreadable = || format!("cannot read the folder {}", folder.display());
        let (mut files, mut others) = (Vec::new(), 0);
        for entry in fs::read_dir(folder).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            match name_of(&path).filter(|_name| !path.is_dir()) {
                Some(name) => files.push(StateFile { name, path }),
                None => others += 1,
            }
        }
        files.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self { files: files.into_iter(), last: None, others })
    }

    pub(super) fn next(&mut self) -> Option<FoundState> {
        let StateFile { name, path } = self.files.next()?;
        // One that cannot be read is reported when it is read.
        let bytes = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        self.last = Some(path);
        Some(FoundState { name, bytes: usize::try_from(bytes).unwrap_or(usize::MAX) })
    }

    /// Reads the file that was returned last.
    pub(super) fn read_last(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(path) = &self.last else { return Ok(None) };
        let read = || -> io::Result<Vec<u8>> {
            // Reading a device or a pipe might never end.
            match fs::metadata(path)?.is_file() {
                true => fs::read(path),
                false => Err(io::Error::other("it is no regular file")),
            }
        };
        match read() {
            Ok(state) => Ok(Some(state)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Returns the number of files with another ending, and of folders, none of which is read.
    pub(super) fn others(&self) -> usize {
        self.others
    }
}

/// Returns the name of the document whose state a file has. `None` if the file has another ending.
fn name_of(path: &Path) -> Option<String> {
    let ending = path.extension()?.to_str()?;
    if !ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) {
        return None;
    }
    // What is not UTF-8 becomes a character that no key has, so it is reported.
    let name = path.file_stem()?.to_string_lossy().into_owned();
    Some(percent_decode_str(&name).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_device_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/zero", folder.path().join("endless.yjs")).unwrap();
        let mut source = FolderSource::open(folder.path()).unwrap();
        assert!(source.next().is_some());
        let error = format!("{:#}", source.read_last().unwrap_err());
        assert!(error.ends_with("it is no regular file"), "{error}");
    }

    #[test]
    fn files_with_states_are_found_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        for (file, content) in
            [("b.YJS", "12"), ("wiki%2Fa.bin", "1"), ("notes.txt", ""), ("a.b.yjs", "123")]
        {
            fs::write(folder.path().join(file), content).unwrap();
        }
        fs::create_dir(folder.path().join("more.yjs")).unwrap();
        let mut source = FolderSource::open(folder.path()).unwrap();
        assert_eq!(source.others(), 2);
        let found = |name: &str, bytes| Some(FoundState { name: name.to_owned(), bytes });
        assert_eq!(source.next(), found("a.b", 3));
        assert_eq!(source.next(), found("b", 2));
        assert_eq!(source.read_last().unwrap(), Some(b"12".to_vec()));
        assert_eq!(source.next(), found("wiki/a", 1));
        fs::remove_file(folder.path().join("wiki%2Fa.bin")).unwrap();
        assert_eq!(source.read_last().unwrap(), None);
        assert_eq!(source.next(), None);
        assert!(FolderSource::open(&folder.path().join("other")).is_err());
    }
}
