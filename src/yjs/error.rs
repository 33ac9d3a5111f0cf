//! What went wrong with something that an editor wrote, in the words of its protocol: each variant placed by hand.

use crate::{
    editing::{EditError, LoadError, MergeError},
    store::StoreError,
    wire::CloseReason,
};

/// What is to be done about an editor whose change was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
    /// It may not write; it is told, and may stay.
    Deny,
    /// What it has and what is here do not fit together: it is asked what it has.
    Ask,
    /// The session ends. Where its client comes back, it says again what it has.
    Close(CloseReason),
}

/// The remedy for an error.
pub(super) fn remedy(error: &EditError) -> Remedy {
    let text = match error {
        EditError::Store(StoreError::Denied) => return Remedy::Deny,
        EditError::Store(error) => return Remedy::Close(store_reason(error)),
        EditError::Load(LoadError::Store(error)) => return Remedy::Close(store_reason(error)),
        EditError::Busy
        | EditError::Unreadable
        | EditError::Unanswered
        | EditError::Unknown
        | EditError::Overtaken
        | EditError::Load(LoadError::NotKept | LoadError::Aborted) => {
            return Remedy::Close(CloseReason::Unavailable);
        }
        // What editors write has no base and no name, so these are faults.
        EditError::DeltaMismatch(_)
        | EditError::BaseTooOld { .. }
        | EditError::BaseInFuture { .. }
        | EditError::NameTaken
        | EditError::Load(LoadError::Corrupt(_)) => {
            return Remedy::Close(CloseReason::InternalError);
        }
        EditError::Merge(error) => return unmergeable(error),
        EditError::TooLarge { size, limit } => return Remedy::Close(too_large(*size, *limit)),
        EditError::TooMuchWork => {
            "Merging the change takes too long; reload, and make smaller changes"
        }
    };
    Remedy::Close(CloseReason::Refused(text.into()))
}

fn unmergeable(error: &MergeError) -> Remedy {
    let reason = match error {
        MergeError::MissingDependencies => return Remedy::Ask,
        MergeError::Unrelated => CloseReason::UnrelatedHistory,
        MergeError::Malformed(what) => {
            CloseReason::BadMessage(format!("The update cannot be merged: {what}").into())
        }
        MergeError::TooManyStructs { limit } => CloseReason::Refused(
            format!("The update has more than {limit} structs; make smaller changes").into(),
        ),
        MergeError::TooLarge { size, limit } => too_large(*size, *limit),
        MergeError::NotText => CloseReason::Refused(
            "The root type \"content\" holds text; use another name for other types".into(),
        ),
    };
    Remedy::Close(reason)
}

fn too_large(size: usize, limit: usize) -> CloseReason {
    let text =
        format!("The document would have {size} bytes of at most {limit}; undo, or split it");
    CloseReason::Refused(text.into())
}

/// The reason to close when the store failed.
pub(super) fn store_reason(error: &StoreError) -> CloseReason {
    match error {
        StoreError::Unavailable(_) => CloseReason::Unavailable,
        StoreError::Denied => CloseReason::Forbidden,
        _ => CloseReason::InternalError,
    }
}
