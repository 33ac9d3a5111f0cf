//! Imports: the Yjs state of another server becomes a document, or a change of one.
//!
//! The state is checked as an update of an editor is, with the limits of documents, but part by part and however long it takes
//! ([`Replica::merge_large`]). A new document gets a history mark, unless the state has that of a document of coscribe.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use thiserror::Error;
use tokio::time::Instant;

use super::{
    LoadError, MergeBounds, MergeError, Merged, Replica,
    full_document::unlimited_loader,
    loader::{LoadedReplica, off_thread},
};
use crate::{
    domain::{AccessLevel, Budget, ChangeKind, DocumentId, Party, UserId, Version},
    store::{Batch, CommitError, NewChange, Store, StoreError},
};

/// The most attempts while others change the document.
const MAX_ATTEMPTS: usize = 5;

/// How long the texts before and after an import may be compared finely.
const COMPARE_WITHIN: Duration = Duration::from_secs(60);

/// The limits of a document that is imported.
#[derive(Debug, Clone, Copy)]
pub struct ImportLimits {
    /// The largest text, in bytes of UTF-8: `limits.document`.
    pub text: usize,
    /// The largest Yjs state, in bytes: `limits.document_state`.
    pub state: usize,
    /// The most structs: `limits.document_structs`.
    pub structs: usize,
    /// The most clients: `limits.document_clients`.
    pub clients: usize,
}

/// A state that was read, as a new document.
#[derive(Debug)]
pub struct ImportedState {
    /// The content as one Yjs v1 update, with a history mark.
    pub state: Vec<u8>,
    /// The length of the text, in bytes of UTF-8.
    pub size: usize,
    /// Whether content was left out because it is not supported.
    pub drops_content: bool,
}

/// A state that was merged into a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportedChange {
    /// The version of the change.
    pub version: Version,
    /// Whether content was left out because it is not supported.
    pub drops_content: bool,
}

/// Why a state was not imported. Nothing was stored, unless it is said otherwise.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The state is larger than a document may be.
    #[error("its Yjs state has {size} bytes, but `limits.document_state` is {limit}; raise it")]
    StateTooLarge {
        /// The size in bytes: of the state, or of the document with it.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The text is larger than that of a document may be.
    #[error("its text has {size} bytes, but `limits.document` is {limit}; raise it")]
    TextTooLarge {
        /// The size of the text in bytes, as far as it was read.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// It has more structs than a document may have.
    #[error("it has more Yjs structs than `limits.document_structs`, which is {limit}; raise it")]
    TooManyStructs {
        /// The limit.
        limit: usize,
    },
    /// It has changes of more clients than a document may have.
    #[error("it has more Yjs clients than `limits.document_clients`, which is {limit}; raise it")]
    TooManyClients {
        /// The limit.
        limit: usize,
    },
    /// Its formats would be copied too often when it is read.
    #[error(
        "it has too many formats: the different names of formats in a text times the formatted places in it are more than {limit}"
    )]
    TooManyFormats {
        /// The most that all texts of the document may have together.
        limit: u64,
    },
    /// It has client ids that only history marks have, and is no document of coscribe.
    #[error(
        "it has changes with client ids above 4294967295, which only servers use. Give its Yjs clients smaller ids, and write the state \
         again"
    )]
    ForeignMark,
    /// It is the state of a document of coscribe, and the document has another history mark.
    #[error(
        "it is the state of a document of coscribe, and the document with this key has another history: it was compacted since, or is \
         another document. Import the state under another key with `--key-prefix`, or purge the document and import again"
    )]
    Unrelated,
    /// The document has content, and no change of the clients of the state: it was compacted since it was imported, or was never
    /// imported from there.
    #[error(
        "the document with this key was compacted since, or was not imported from here: its content would be there twice. Import the \
         state under another key with `--key-prefix`, or purge the document and import again"
    )]
    OtherContent,
    /// A part of it is missing.
    #[error("it is not a whole Yjs state: it depends on an update that is missing")]
    Incomplete,
    /// It cannot be read, or not be kept.
    #[error("it is not a Yjs v1 update that can be stored: {0}")]
    Unreadable(MergeError),
    /// The document was deleted.
    #[error("the document with this key was deleted; purge it or bring it back, and import again")]
    NoDocument,
    /// The author may not edit the document.
    #[error("the owner given may not edit the document with this key; name its owner")]
    Denied,
    /// Others changed the document in every attempt.
    #[error("the document was changed meanwhile; import again")]
    Overtaken,
    /// The document could not be loaded.
    #[error("the document could not be loaded")]
    Load(#[from] LoadError),
    /// The change may not have been stored. Importing again finds out.
    #[error("the change was not stored; import again")]
    Commit(#[source] CommitError),
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Load(error.into())
    }
}

impl ImportLimits {
    /// Checks a state before it is read.
    ///
    /// # Errors
    /// [`ImportError::StateTooLarge`].
    pub fn check_size(self, bytes: usize) -> Result<(), ImportError> {
        match bytes <= self.state {
            true => Ok(()),
            false => Err(ImportError::StateTooLarge { size: bytes, limit: self.state }),
        }
    }

    fn bounds(self) -> MergeBounds {
        MergeBounds {
            text: self.text,
            state: self.state,
            structs: self.structs,
            document_structs: self.structs,
            clients: self.clients,
            compare_until: (Instant::now() + COMPARE_WITHIN).into_std(),
            budget: Budget::unlimited(),
        }
    }

    fn refusal(self, error: MergeError) -> ImportError {
        match error {
            // Both limits may be the same. Then raising the one for states is necessary anyway.
            MergeError::TooLarge { size, limit } if limit == self.state => {
                ImportError::StateTooLarge { size, limit }
            }
            MergeError::TooLarge { size, limit } => ImportError::TextTooLarge { size, limit },
            MergeError::TooManyStructs { limit } | MergeError::DocumentTooManyStructs { limit } => {
                ImportError::TooManyStructs { limit }
            }
            MergeError::TooManyClients { limit } => ImportError::TooManyClients { limit },
            MergeError::TooManyFormats { limit } => ImportError::TooManyFormats { limit },
            MergeError::Unrelated => ImportError::Unrelated,
            MergeError::MissingDependencies => ImportError::Incomplete,
            error @ (MergeError::Malformed(_)
            | MergeError::TooManyDeletions { .. }
            | MergeError::TooManyConflicts
            | MergeError::NotText
            | MergeError::ServerRoot) => ImportError::Unreadable(error),
        }
    }
}

/// The result of a merge beside the store.
enum StateMerge {
    /// The document has other content.
    OtherContent,
    /// The document has the state, and a text of `size` bytes. `merged` is `None` if it had all of it.
    Done { merged: Option<Merged>, size: usize },
}

/// Reads a Yjs state as a new document. Takes memory for some times its size, and may take seconds.
///
/// # Errors
/// [`ImportError`].
pub async fn read_import(state: Bytes, limits: ImportLimits) -> Result<ImportedState, ImportError> {
    limits.check_size(state.len())?;
    let read = move || -> Result<ImportedState, MergeError> {
        let bounds = limits.bounds();
        let (replica, merged) = Replica::to_adopt(&state, &bounds)?.merge_large(&state, &bounds)?;
        let replica = replica.adopted(None, &bounds.budget)?;
        Ok(ImportedState {
            size: replica.content().bytes(),
            drops_content: merged.is_some_and(|merged| merged.drops_content),
            state: replica.state(),
        })
    };
    off_thread(usize::MAX, read).await?.map_err(|error| match error {
        MergeError::Unrelated => ImportError::ForeignMark,
        error => limits.refusal(error),
    })
}

/// Merges a Yjs state into a document as one change of an author, or finds out in a dry run what would be. `None` if the document
/// has all of it.
///
/// # Errors
/// [`ImportError`].
pub async fn merge_import(
    store: &Store,
    document: DocumentId,
    author: UserId,
    state: Bytes,
    limits: ImportLimits,
    is_dry_run: bool,
) -> Result<Option<ImportedChange>, ImportError> {
    limits.check_size(state.len())?;
    for _ in 0..MAX_ATTEMPTS {
        let head = store.find_head(document).await?.ok_or(ImportError::NoDocument)?;
        let loaded = unlimited_loader(store).replica(document, head.version, Party::Node).await;
        let LoadedReplica { replica, memory, .. } = match loaded {
            Err(LoadError::NotKept) => continue,
            loaded => loaded?,
        };
        let state = state.clone();
        let merge = move || -> Result<StateMerge, MergeError> {
            if replica.shares_no_client(&state, &limits.bounds())? {
                return Ok(StateMerge::OtherContent);
            }
            let (replica, merged) = replica.merge_large(&state, &limits.bounds())?;
            let size = replica.content().bytes();
            drop((replica, memory));
            Ok(StateMerge::Done { merged, size })
        };
        let merge = off_thread(usize::MAX, merge).await?;
        let (merged, size) = match merge.map_err(|error| limits.refusal(error))? {
            StateMerge::OtherContent => return Err(ImportError::OtherContent),
            StateMerge::Done { merged, size } => (merged, size),
        };
        let Some(Merged { delta, update, drops_content, .. }) = merged else { return Ok(None) };
        let change = ImportedChange { version: head.version.next(), drops_content };
        if is_dry_run {
            let level = store.find_access_level(author, document).await?;
            return match level.is_some_and(|level| level.allows(AccessLevel::Edit)) {
                true => Ok(Some(change)),
                false => Err(ImportError::Denied),
            };
        }
        let batch = Batch {
            document,
            base: head.version,
            base_at: Some(head.at),
            changes: vec![NewChange {
                kind: ChangeKind::Edited,
                author,
                session: None,
                edit: None,
                title: head.title,
                metadata: None,
                delta: Some(Arc::new(delta)),
                update: Some(update),
                takes_back: None,
                size,
            }],
            receipts: Vec::new(),
            other_authors: Vec::new(),
        };
        match store.commit(batch).await {
            Ok(_committed) => return Ok(Some(change)),
            Err(CommitError::Overtaken) => {}
            Err(CommitError::Denied(_)) => return Err(ImportError::Denied),
            Err(error) => return Err(ImportError::Commit(error)),
        }
    }
    Err(ImportError::Overtaken)
}
