//! The reasons why an edit is not stored.

use thiserror::Error;

use super::{ApplyError, BodyMismatch, LoadError, MergeError, RestoreError, ReversalError};
use crate::{
    domain::{DeltaMismatch, Exhausted, Version},
    store::StoreError,
    wire::yjs::SERVER_ROOT,
};

/// Why an edit was not stored, or may not have been.
#[derive(Debug, Clone, Error)]
pub enum EditError {
    /// The queue of the document's edits, of large texts to be loaded or of work on them is full, or the edit was not applied
    /// in time because the machine is busy.
    #[error("too many edits are waiting, or the edit was not applied in time")]
    Busy,
    /// The head of the document could not be read.
    #[error("the document could not be opened")]
    Unreadable,
    /// The room ended before the result was known.
    #[error("the room ended before the edit was answered")]
    Unanswered,
    /// The connection to the database broke during the commit.
    #[error("it is not known whether the edit was stored")]
    Unknown,
    /// Rebasing and applying the edit needs more steps than one edit may take.
    #[error("the edit needs too much work")]
    TooMuchWork,
    /// The delta does not fit the text at its base version.
    #[error(transparent)]
    DeltaMismatch(#[from] DeltaMismatch),
    /// The document would exceed its size limit.
    #[error("the document would become too large")]
    TooLarge {
        /// Size that the document would have, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The document would have too many structs.
    #[error("the document has too many structs")]
    TooManyStructs {
        /// The limit.
        limit: usize,
    },
    /// The updates of a Yjs editor cannot be merged.
    #[error(transparent)]
    Merge(MergeError),
    /// The earlier version, or the present one, has content that cannot be written again.
    #[error("the content of the root type {name:?} cannot be brought back")]
    Unrestorable {
        /// The name of the root type.
        name: String,
    },
    /// A root type has content that cannot be compared with what is to replace it.
    #[error("the content of the root type {name:?} cannot be replaced")]
    Irreplaceable {
        /// The name of the root type.
        name: String,
    },
    /// The new content is not content of the root type.
    #[error(transparent)]
    BodyMismatch(#[from] BodyMismatch),
    /// The text of the document is in a tree of XML, and deltas refer to the root type `content`.
    #[error("the text of the document is in the root type {root:?}")]
    OtherBody {
        /// The name of that root type.
        root: String,
    },
    /// Comparing the earlier version with the present one needs more steps or memory than one edit may take.
    #[error("restoring the version needs too much work")]
    TooMuchToRestore,
    /// The changes to be taken back belong to another Yjs history of the document: it was compacted since.
    #[error("the changes belong to another history of the document")]
    OtherHistory,
    /// The base version is older than the change log, or the database may have lost it.
    #[error("the base version is no longer kept")]
    BaseTooOld {
        /// The head of the document.
        head: Version,
    },
    /// The base version is newer than the head.
    #[error("the base version does not exist yet")]
    BaseInFuture {
        /// The head of the document.
        head: Version,
    },
    /// The author has stored another edit under the same name.
    #[error("another edit has the same name")]
    NameTaken,
    /// Other nodes committed first in every attempt.
    #[error("other nodes changed the document first")]
    Overtaken,
    /// The store refused the edit or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The text at the base version could not be loaded.
    #[error(transparent)]
    Load(LoadError),
}

impl From<ApplyError> for EditError {
    fn from(refused: ApplyError) -> Self {
        match refused {
            ApplyError::DeltaMismatch(misfit) => Self::DeltaMismatch(misfit),
            ApplyError::TooLarge { size, limit } => Self::TooLarge { size, limit },
            ApplyError::TooManyStructs { limit } => Self::TooManyStructs { limit },
            ApplyError::TooManyFormats { limit } => {
                Self::Merge(MergeError::TooManyFormats { limit })
            }
            ApplyError::Exhausted(exhausted) => exhausted.into(),
        }
    }
}

impl From<Exhausted> for EditError {
    fn from(exhausted: Exhausted) -> Self {
        match exhausted {
            Exhausted::Steps => Self::TooMuchWork,
            Exhausted::Stopped => Self::Busy,
        }
    }
}

impl From<MergeError> for EditError {
    fn from(error: MergeError) -> Self {
        match error {
            MergeError::TooLarge { size, limit } => Self::TooLarge { size, limit },
            error => Self::Merge(error),
        }
    }
}

impl From<RestoreError> for EditError {
    fn from(error: RestoreError) -> Self {
        match error {
            RestoreError::Unrestorable { name } => Self::Unrestorable { name },
            RestoreError::Mismatch(mismatch) => Self::BodyMismatch(mismatch),
            RestoreError::Limit(MergeError::DocumentTooManyStructs { limit }) => {
                Self::TooManyStructs { limit }
            }
            // Nobody has sent an update: the library has failed.
            RestoreError::Limit(MergeError::Malformed(_) | MergeError::NotText) => {
                Self::Load(LoadError::Aborted)
            }
            // Pages could write it before such updates were refused.
            RestoreError::Limit(MergeError::ServerRoot) => {
                Self::Unrestorable { name: SERVER_ROOT.to_owned() }
            }
            RestoreError::Limit(error) => error.into(),
            RestoreError::Exhausted(Exhausted::Steps) => Self::TooMuchToRestore,
            RestoreError::Exhausted(Exhausted::Stopped) => Self::Busy,
        }
    }
}

impl From<ReversalError> for EditError {
    fn from(error: ReversalError) -> Self {
        match error {
            ReversalError::OtherHistory => Self::OtherHistory,
            ReversalError::Refused(error) => error.into(),
        }
    }
}

impl From<LoadError> for EditError {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Store(error) => Self::Store(error),
            LoadError::Busy => Self::Busy,
            error => Self::Load(error),
        }
    }
}
