//! A request to change a document, and its result.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use super::{
    Acknowledgement, BodyChange, Reversal, earlier_content::EarlierContent,
    fingerprints::FingerprintDigest,
};
use crate::domain::{
    CompareUntil, Content, Delta, DocumentId, EditId, Fingerprint, Metadata, SessionId, Text,
    Title, UserId, Version, VersionRange,
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
        /// Whether the first one was given. Otherwise it is where the history entry begins.
        names_first: bool,
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
            EditKind::ReplaceBody { base, change } => digest.body(*base, change.given()),
            // How far the log goes back may change meanwhile, and a reversal is never written twice in the same way.
            EditKind::TakeBack { taken, names_first, .. } => {
                digest.part(b"take", &number(&taken.to));
                if *names_first {
                    digest.part(b"from", &number(&taken.from));
                }
            }
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
