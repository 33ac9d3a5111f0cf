//! Where states are imported from.

use super::{folder::FolderSource, table::TableSource};

/// A stored state that was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FoundState {
    /// The name of the document.
    pub(super) name: String,
    /// The size of the state in bytes, as far as it is known.
    pub(super) bytes: usize,
}

/// A source of states.
pub(super) enum StateSource {
    Folder(FolderSource),
    Table(TableSource),
}

impl StateSource {
    /// Returns the next state, in the order of the names. `None` at the end.
    ///
    /// # Errors
    /// The source cannot be listed.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<FoundState>> {
        match self {
            Self::Folder(folder) => Ok(folder.next()),
            Self::Table(table) => table.next().await,
        }
    }

    /// Returns what was found and is not read. `None` if nothing was.
    pub(super) fn ignored(&self) -> Option<String> {
        match self {
            Self::Folder(folder) => match folder.others() {
                0 => None,
                others => Some(format!(
                    "not read: folders, and files with another ending than .yjs and .bin ({others} in the folder)"
                )),
            },
            Self::Table(_) => None,
        }
    }

    /// Reads the state that was found last. `None` if it was removed meanwhile.
    ///
    /// # Errors
    /// This one cannot be read.
    pub(super) async fn read(&self, found: &FoundState) -> anyhow::Result<Option<Vec<u8>>> {
        match self {
            Self::Folder(folder) => folder.read_last(),
            Self::Table(table) => table.read(&found.name).await,
        }
    }
}
