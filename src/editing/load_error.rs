//! Why a text or a replica could not be loaded.

use thiserror::Error;

use super::{CorruptDocument, TooHeavy};
use crate::store::StoreError;

/// Why a document could not be loaded at a version.
#[derive(Debug, Clone, Error)]
pub enum LoadError {
    /// The document was deleted, or the version is older than the change log.
    #[error("the text at this version is no longer kept")]
    NotKept,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored data is inconsistent: a fault of this program or of the database.
    #[error(transparent)]
    Corrupt(#[from] CorruptDocument),
    /// Too many large documents wait to be loaded, or this one, or another read, waited too long for its turn.
    #[error("too much is being read")]
    Busy,
    /// The document is too heavy to be loaded. It is closed off for a while.
    #[error("the document is too heavy to be loaded: {0}")]
    TooHeavy(#[from] TooHeavy),
    /// The work was aborted, for instance by a panic.
    #[error("loading the text was aborted")]
    Aborted,
}
