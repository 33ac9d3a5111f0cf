//! Maps the errors of an editor's updates to the Yjs protocol: a denial, a request for missing updates, or a close. An update
//! that cannot be kept is denied, because a close would end the editor for good or make it send the same again at once. For
//! the same reason the session stays open while the store is unavailable: the editor would reconnect several times a second,
//! and join and leave the document each time.
//!
//! No `match` has a wildcard arm, not even for nested enums, so that a new error breaks the build here until it has a
//! remedy. Close texts follow those of [`CloseReason`]: no full stop at the end.

use crate::{
    editing::{EditError, LoadError, MergeError},
    quota::QuotaExceeded,
    store::StoreError,
    wire::CloseReason,
};

/// What follows for an editor whose updates were not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The editor is denied permission to write. Its session stays open.
    Deny,
    /// The update depends on one that is missing here. The editor is asked for its state.
    Ask,
    /// The update cannot be stored at the moment. The session stays open: the editor keeps its changes, and is asked for them
    /// again.
    Retry,
    /// The update cannot be kept, for this reason. The session stays open: the editor keeps its changes, receives those of
    /// others, and can undo the cause.
    Refuse(String),
    /// The update exceeds a quota. The session stays open: the editor keeps its changes, and is asked for them again later.
    Postpone(QuotaExceeded),
    /// The session ends. When the editor reconnects, it sends the updates that are missing here.
    Close(CloseReason),
}

/// Returns the remedy for an error.
pub(super) fn remedy(error: &EditError) -> Remedy {
    match error {
        EditError::Store(StoreError::Denied) => Remedy::Deny,
        EditError::Store(StoreError::OverQuota(exceeded)) => Remedy::Postpone(*exceeded),
        EditError::Store(error) => temporary(store_reason(error)),
        EditError::Load(error) => temporary(load_reason(error)),
        EditError::Merge(error) => merge_remedy(error),
        EditError::Busy | EditError::Unknown | EditError::Overtaken => Remedy::Retry,
        // The room has ended, and the seat with it.
        EditError::Unreadable | EditError::Unanswered => Remedy::Close(CloseReason::Unavailable),
        // Updates of editors have no base version and no edit id, and what exceeds their budget is left for later, so these are
        // faults of the server.
        EditError::DeltaMismatch(_)
        | EditError::TooMuchWork
        | EditError::Unrestorable { .. }
        | EditError::Irreplaceable { .. }
        | EditError::BodyMismatch(_)
        | EditError::OtherBody { .. }
        | EditError::TooMuchToRestore
        | EditError::OtherHistory
        | EditError::BaseTooOld { .. }
        | EditError::BaseInFuture { .. }
        | EditError::NameTaken => Remedy::Close(CloseReason::InternalError),
        EditError::TooLarge { size, limit } => too_large(*size, *limit),
        EditError::TooManyStructs { limit } => too_many_structs(*limit),
    }
}

/// Returns the remedy for a failure of the store, which may be temporary.
fn temporary(reason: CloseReason) -> Remedy {
    match reason == CloseReason::Unavailable {
        true => Remedy::Retry,
        false => Remedy::Close(reason),
    }
}

fn merge_remedy(error: &MergeError) -> Remedy {
    match error {
        MergeError::MissingDependencies => Remedy::Ask,
        MergeError::Unrelated => Remedy::Close(CloseReason::UnrelatedHistory),
        MergeError::Malformed(what) => Remedy::Refuse(format!(
            "The update cannot be merged: {what}. Copy your work, reload the page, and use another editor."
        )),
        MergeError::TooManyStructs { limit } => Remedy::Refuse(format!(
            "The update has more than {limit} structs. Make smaller changes."
        )),
        MergeError::TooManyDeletions { limit } => Remedy::Refuse(format!(
            "The update has more than {limit} deleted ranges. Copy your work to a new document."
        )),
        MergeError::DocumentTooManyStructs { limit } => too_many_structs(*limit),
        MergeError::TooManyConflicts => Remedy::Refuse(
            "The update inserts at places where too many others were typing without a connection. \
             Reload the document and insert the text again."
                .into(),
        ),
        MergeError::TooManyClients { limit } => Remedy::Refuse(format!(
            "The document has changes from {limit} pages (Yjs clients), the most that it may have. Copy its text to a new \
             document."
        )),
        MergeError::TooManyFormats { limit } => Remedy::Refuse(format!(
            "The document has too many formats: the different names of formats in a text times the formatted places in it are more \
             than {limit}. Undo, or remove formats."
        )),
        MergeError::TooLarge { size, limit } => too_large(*size, *limit),
        MergeError::NotText => Remedy::Refuse(
            "The root type \"content\" holds text. Use another name for other types.".to_owned(),
        ),
        MergeError::ServerRoot => Remedy::Refuse(
            "Only the server writes the root type \"coscribe\". Use another name.".to_owned(),
        ),
    }
}

fn too_many_structs(limit: usize) -> Remedy {
    Remedy::Refuse(format!(
        "The document has {limit} structs, the most that it may have. Copy its text to a new document, or ask the operator \
         to compact this one."
    ))
}

fn too_large(size: usize, limit: usize) -> Remedy {
    Remedy::Refuse(format!(
        "The document would have {size} bytes, but may have {limit}. Undo, or move a part to another document."
    ))
}

fn load_reason(error: &LoadError) -> CloseReason {
    match error {
        LoadError::Store(error) => store_reason(error),
        LoadError::NotKept | LoadError::Aborted | LoadError::Busy => CloseReason::Unavailable,
        LoadError::TooHeavy(_) => CloseReason::TooHeavy,
        LoadError::Corrupt(_) => CloseReason::InternalError,
    }
}

/// Returns the reason to close a session after a failure of the store.
pub(super) fn store_reason(error: &StoreError) -> CloseReason {
    match error {
        StoreError::Busy | StoreError::NoAnswer | StoreError::Unavailable(_) => {
            CloseReason::Unavailable
        }
        StoreError::Denied => CloseReason::Forbidden,
        // Reading exceeds no quota.
        StoreError::EmailTaken
        | StoreError::KeyTaken
        | StoreError::NoSuchUser
        | StoreError::OwnerKeepsAccess
        | StoreError::Blocked
        | StoreError::TooManyNamed
        | StoreError::NotNamer
        | StoreError::TooManyBlocked
        | StoreError::TooManyAddresses
        | StoreError::Link(_)
        | StoreError::GroupLimit(_)
        | StoreError::HandOver(_)
        | StoreError::OverQuota(_)
        | StoreError::Migration(_)
        | StoreError::Internal(_) => CloseReason::InternalError,
    }
}
