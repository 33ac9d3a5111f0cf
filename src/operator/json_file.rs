//! A JSON file that is written piece by piece, so that lists of any length need no memory.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use serde::Serialize;

/// A file with one JSON object.
pub(super) struct JsonFile {
    path: PathBuf,
    file: BufWriter<File>,
    /// What comes before the next member of the object, or the next entry of the list.
    separator: &'static str,
}

impl JsonFile {
    /// Creates a file, which must not exist.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create_new(path).with_context(|| unwritable(path))?;
        let mut file = Self { path: path.to_owned(), file: BufWriter::new(file), separator: "\n" };
        file.write("{")?;
        Ok(file)
    }

    /// Writes a member of the object.
    pub(super) fn member(&mut self, name: &str, value: &impl Serialize) -> anyhow::Result<()> {
        let name = serde_json::to_string(name)?;
        self.write(&format!("{}  {name}: ", self.separator))?;
        self.value(value)?;
        self.separator = ",\n";
        Ok(())
    }

    /// Begins a member that is a list. Its entries follow.
    pub(super) fn begin_list(&mut self, name: &str) -> anyhow::Result<()> {
        let name = serde_json::to_string(name)?;
        self.write(&format!("{}  {name}: [", self.separator))?;
        self.separator = "\n";
        Ok(())
    }

    /// Writes an entry of the list.
    pub(super) fn entry(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        self.write(&format!("{}    ", self.separator))?;
        self.value(value)?;
        self.separator = ",\n";
        Ok(())
    }

    /// Ends the list.
    pub(super) fn end_list(&mut self) -> anyhow::Result<()> {
        self.write("\n  ]")?;
        self.separator = ",\n";
        Ok(())
    }

    /// Ends the object.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.write("\n}\n")?;
        self.file.flush().with_context(|| unwritable(&self.path))
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        self.file.write_all(text.as_bytes()).with_context(|| unwritable(&self.path))
    }

    fn value(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.file, value).with_context(|| unwritable(&self.path))
    }
}

/// Returns the message for a file that cannot be written.
pub(super) fn unwritable(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_pieces_make_one_object() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.json");
        let mut file = JsonFile::create(&path).unwrap();
        file.member("name", &"Ana \"A\"").unwrap();
        file.begin_list("empty").unwrap();
        file.end_list().unwrap();
        file.begin_list("numbers").unwrap();
        file.entry(&1).unwrap();
        file.entry(&json!({ "two": 2 })).unwrap();
        file.end_list().unwrap();
        file.member("last", &Value::Null).unwrap();
        file.finish().unwrap();

        let read: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let expected = json!({
            "name": "Ana \"A\"", "empty": [], "numbers": [1, { "two": 2 }], "last": null,
        });
        assert_eq!(read, expected);
        assert!(JsonFile::create(&path).is_err(), "an existing file is kept");
    }
}
