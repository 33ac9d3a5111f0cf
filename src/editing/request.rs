//! A request to change a document, its result, and its errors.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{
    Acknowledgement, ApplyError, BodyChange, DocumentBody, LoadError, MergeError, RestoreError,
    Reversal, ReversalError, earlier_content::EarlierContent,
};
use crate::{
    domain::{
        CompareUntil, Content, Delta, DeltaMismatch, DocumentId, EditId, Exhausted, Fingerprint,
        Metadata, SessionId, Text, Title, UserId, Version, VersionRange,
    },
    store::StoreError,
};

/// The most steps in the difference between two texts. Applying that many takes some tenths of a second.
const MAX_DIFFERENCE_STEPS: usize = 200_000;

/// A change of a document that a user asks for.
#[derive(Debug, Clone)]
pub struct EditRequest {
    /// The document to change.
    pub document: DocumentId,
    /// The user who asks for the change.
    pub author: UserId,
    /// The author's session, if the request came from one.
    pub session: Option<SessionId>,
    /// The client's name of the edit (`mutationId`). An edit that is repeated under this name is answered from the log.
    pub name: Option<EditId>,
    /// The change.
    pub kind: EditKind,
}

/// What a request changes.
#[derive(Debug, Clone)]
pub enum EditKind {
    /// Applies a delta to the text.
    Edit {
        /// The version that the delta was made for. The delta is rebased onto everything stored since.
        base: Version,
        /// The change.
        delta: Arc<Delta>,
    },
    /// Sets the title, the metadata, the text, or several of them.
    Replace {
        /// The new title.
        title: Option<Title>,
        /// The new metadata.
        metadata: Option<Metadata>,
        /// The new text. It is merged as its difference from the text at `base`.
        content: Option<Text>,
        /// The version that the new text was made from; the head if absent.
        base: Option<Version>,
    },
    /// Gives the document the content that it had at an earlier version.
    Restore {
        /// The version.
        version: Version,
        /// Its content.
        content: Arc<EarlierContent>,
    },
    /// Gives a root type new content.
    ReplaceBody {
        /// The version that the content was made for. What it changes there is merged with everything stored since.
        base: Version,
        /// The change.
        change: Arc<BodyChange>,
    },
    /// Takes back the changes of consecutive versions.
    TakeBack {
        /// The versions.
        taken: VersionRange,
        /// The opposite of their changes. `None` for a repetition, which is answered from the log.
        reversal: Option<Arc<Reversal>>,
    },
    /// Merges updates of a Yjs editor as one change.
    Merge {
        /// Yjs v1 updates, in the order in which the editor sent them.
        updates: Vec<Bytes>,
        /// What the answer carries of the stored state vector.
        acknowledgement: Acknowledgement,
    },
    /// Deletes the document.
    Delete,
}

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
            RestoreError::Limit(MergeError::DocumentTooManyStructs { limit }) => {
                Self::TooManyStructs { limit }
            }
            // Nobody has sent an update: the library has failed.
            RestoreError::Limit(MergeError::Malformed(_) | MergeError::NotText) => {
                Self::Load(LoadError::Aborted)
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

/// The result of an accepted request.
#[derive(Debug, Clone)]
pub struct StoredEdit {
    /// The version that the edit made. For an edit that changed nothing, the version that it met.
    pub version: Version,
    /// The title at that version.
    pub title: Arc<str>,
    /// The time at which that version was stored.
    pub at: DateTime<Utc>,
    /// The text at that version. Absent when the edit was answered from the log.
    pub content: Option<Content>,
    /// The stored Yjs v1 state vector, or a part of it, as the request asked.
    pub state_vector: Option<Bytes>,
    /// What of a Yjs update was left out.
    pub omitted: Omitted,
}

/// What of a Yjs update was not stored although the rest was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Omitted {
    /// Whether a part was left out because it depends on updates that are missing here, or because the time was up.
    pub rest: bool,
    /// Whether content was left out for good because it is not supported, such as a hook of XML.
    pub content: bool,
}

impl EditRequest {
    /// Returns the size of the change, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match &self.kind {
            EditKind::Edit { delta, .. } => delta.weight(),
            EditKind::Replace { metadata, content, .. } => {
                content.as_ref().map_or(0, |text| text.as_str().len())
                    + metadata.as_ref().map_or(0, |metadata| metadata.as_json().len())
            }
            EditKind::Restore { content, .. } => content.weight(),
            EditKind::ReplaceBody { change, .. } => change.weight(),
            EditKind::TakeBack { reversal, .. } => {
                reversal.as_ref().map_or(0, |reversal| reversal.weight())
            }
            EditKind::Merge { updates, .. } => updates.iter().map(Bytes::len).sum(),
            EditKind::Delete => 0,
        }
    }

    /// Returns a digest of the change. It is stored and compared later, so its input must never change.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let mut digest = FingerprintDigest::default();
        let number = |version: &Version| version.number().to_be_bytes();
        match &self.kind {
            EditKind::Edit { base, delta } => {
                digest.part(b"base", &number(base));
                // Serializing a delta into memory cannot fail.
                digest.part(b"edit", &serde_json::to_vec(&**delta).unwrap_or_default());
            }
            EditKind::Replace { title, metadata, content, base } => {
                if let Some(base) = base {
                    digest.part(b"base", &number(base));
                }
                if let Some(title) = title {
                    digest.part(b"titl", title.as_str().as_bytes());
                }
                if let Some(metadata) = metadata {
                    digest.part(b"meta", metadata.as_json().as_bytes());
                }
                if let Some(content) = content {
                    digest.part(b"text", content.as_str().as_bytes());
                }
            }
            // The version determines the content.
            EditKind::Restore { version, .. } => digest.part(b"rest", &number(version)),
            EditKind::ReplaceBody { base, change } => digest.body(*base, change.body()),
            // How far the log goes back may change meanwhile, and a reversal is never written twice in the same way.
            EditKind::TakeBack { taken, .. } => digest.part(b"take", &number(&taken.to)),
            EditKind::Merge { updates, .. } => {
                for update in updates {
                    digest.part(b"updt", update);
                }
            }
            EditKind::Delete => digest.part(b"dele", &[]),
        }
        digest.finish()
    }

    /// Returns the title that the request sets, if it differs from the present one.
    pub(super) fn new_title(&self, present: &str) -> Option<Arc<str>> {
        match &self.kind {
            EditKind::Replace { title: Some(title), .. } if title.as_str() != present => {
                Some(title.as_str().into())
            }
            EditKind::Replace { .. }
            | EditKind::Edit { .. }
            | EditKind::Restore { .. }
            | EditKind::ReplaceBody { .. }
            | EditKind::TakeBack { .. }
            | EditKind::Merge { .. }
            | EditKind::Delete => None,
        }
    }

    /// Whether the request may change the text.
    pub(super) fn concerns_text(&self) -> bool {
        match self.kind {
            EditKind::Edit { .. }
            | EditKind::Restore { .. }
            | EditKind::ReplaceBody { .. }
            | EditKind::TakeBack { .. }
            | EditKind::Merge { .. }
            | EditKind::Replace { content: Some(_), .. } => true,
            EditKind::Replace { content: None, .. } | EditKind::Delete => false,
        }
    }

    /// Returns the versions whose changes the request takes back.
    pub(super) fn takes_back(&self) -> Option<VersionRange> {
        match self.kind {
            EditKind::TakeBack { taken, .. } => Some(taken),
            EditKind::Edit { .. }
            | EditKind::Replace { .. }
            | EditKind::Restore { .. }
            | EditKind::ReplaceBody { .. }
            | EditKind::Merge { .. }
            | EditKind::Delete => None,
        }
    }

    /// Whether the request came from a Yjs editor, which has the change already.
    pub(super) fn is_from_yjs_editor(&self) -> bool {
        matches!(self.kind, EditKind::Merge { .. })
    }

    /// Whether the request was made for a version that it names.
    pub(super) fn has_base(&self) -> bool {
        matches!(self.kind, EditKind::Edit { .. } | EditKind::Replace { base: Some(_), .. })
    }

    /// Returns what the answer carries of the stored state vector.
    pub(super) fn acknowledgement(&self) -> Acknowledgement {
        match self.kind {
            EditKind::Merge { acknowledgement, .. } => acknowledgement,
            EditKind::Edit { .. }
            | EditKind::Replace { .. }
            | EditKind::Restore { .. }
            | EditKind::ReplaceBody { .. }
            | EditKind::TakeBack { .. }
            | EditKind::Delete => Acknowledgement::None,
        }
    }

    /// Returns the delta against `base`, the text that the request was made for. A difference gets coarser after `until`, and
    /// when it has very many steps.
    pub(super) fn delta_for(&self, base: &Content, until: &CompareUntil) -> Arc<Delta> {
        match &self.kind {
            EditKind::Edit { delta, .. } => Arc::clone(delta),
            EditKind::Replace { content: Some(text), .. } => {
                let base = base.to_string();
                let difference = Delta::between(&base, text.as_str(), until);
                Arc::new(difference.coarsened(&base, MAX_DIFFERENCE_STEPS))
            }
            EditKind::Replace { content: None, .. }
            | EditKind::Restore { .. }
            | EditKind::ReplaceBody { .. }
            | EditKind::TakeBack { .. }
            | EditKind::Merge { .. }
            | EditKind::Delete => Arc::default(),
        }
    }

    /// Returns the version that the request was made for. None stands for the head.
    pub(super) fn base(&self) -> Option<Version> {
        match &self.kind {
            EditKind::Edit { base, .. } => Some(*base),
            EditKind::Replace { base, .. } => *base,
            EditKind::ReplaceBody { base, .. } => Some(*base),
            EditKind::Restore { .. }
            | EditKind::TakeBack { .. }
            | EditKind::Merge { .. }
            | EditKind::Delete => None,
        }
    }
}

/// Returns the digest of a change that replaces a body, as [`EditRequest::fingerprint`] does.
pub(crate) fn body_fingerprint(base: Version, body: &DocumentBody) -> Fingerprint {
    let mut digest = FingerprintDigest::default();
    digest.body(base, body);
    digest.finish()
}

/// The digest of a change, part by part.
#[derive(Default)]
struct FingerprintDigest(Sha256);

impl FingerprintDigest {
    fn part(&mut self, tag: &[u8; 4], bytes: &[u8]) {
        self.0.update(tag);
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    fn body(&mut self, base: Version, body: &DocumentBody) {
        self.part(b"base", &base.number().to_be_bytes());
        self.part(b"root", body.root().as_bytes());
        self.part(b"kind", body.kind().as_str().as_bytes());
        self.part(b"body", body.json().to_string().as_bytes());
    }

    fn finish(self) -> Fingerprint {
        let mut fingerprint = [0; 16];
        fingerprint.copy_from_slice(&self.0.finalize()[..16]);
        Fingerprint(fingerprint)
    }
}
