//! Committing an editor's updates: from an edit request to its outcome.

use std::error::Error;

use super::{
    conversation::EditorParts,
    error::{Remedy, remedy},
};
use crate::{
    domain::{AccessLevel, Version},
    editing::{Acknowledgement, EditKind, EditRequest, StoredEdit},
    room::{EditorHandle, KnownContent},
    session::{SavedUpdates, StepOutcome},
    store::StoreError,
};

/// Commits the updates of `request` and returns what follows for the editor. `updates_stored` is the number of updates that are
/// stored then. `acknowledge` notes the version of an acknowledgement with a state vector.
pub(super) async fn commit(
    parts: &EditorParts,
    seat: &EditorHandle,
    request: EditRequest,
    updates_stored: u64,
    acknowledge: impl FnOnce(Version),
) -> StepOutcome {
    let document = request.document;
    // The seat knows the current access level, so a reader's updates need not reach the database to be refused.
    let stored = match seat.may_edit() {
        true => parts.rooms.edit(request).await,
        false => match find_known(seat, request).await {
            Some((KnownContent { head, state_vector }, wants_state_vector)) => {
                if wants_state_vector {
                    acknowledge(head);
                }
                let state_vector = wants_state_vector.then_some(state_vector);
                let saved = SavedUpdates { version: head, state_vector, updates: updates_stored };
                return StepOutcome::Stored { saved, notice: None };
            }
            None => Err(StoreError::Denied.into()),
        },
    };
    let error = match stored {
        Ok(StoredEdit { omitted, version, state_vector, .. }) => {
            let notice = omitted.content.then(notice_of_omission);
            if omitted.rest {
                return StepOutcome::StoredInPart { notice };
            }
            if state_vector.is_some() {
                acknowledge(version);
            }
            let saved = SavedUpdates { version, state_vector, updates: updates_stored };
            return StepOutcome::Stored { saved, notice };
        }
        Err(error) => error,
    };
    match remedy(&error) {
        Remedy::Deny => {
            parts.metrics.permission_denied();
            StepOutcome::Denied(
                "You may read this document but not change it. Ask its owner for access."
                    .to_owned(),
            )
        }
        Remedy::Ask => StepOutcome::OutOfSync,
        Remedy::Retry => {
            parts.unstored.note(document, &error);
            StepOutcome::OutOfSync
        }
        Remedy::Refuse(reason) => {
            tracing::info!(reason, "refused an editor's updates");
            StepOutcome::Refused(reason)
        }
        Remedy::Postpone(exceeded) => {
            let quota = exceeded.kind.as_str();
            tracing::info!(quota, "an editor's updates exceed a quota");
            StepOutcome::Postponed(exceeded.to_string())
        }
        Remedy::Close(reason) => {
            let error: &dyn Error = &error;
            tracing::debug!(error, "could not commit an editor's updates");
            StepOutcome::Close(reason)
        }
    }
}

/// Returns what the document has if it has everything that a reader has sent: a page that keeps an offline copy sends that copy when it
/// opens. Also whether the reader wants the state vector.
async fn find_known(seat: &EditorHandle, request: EditRequest) -> Option<(KnownContent, bool)> {
    match request.kind {
        EditKind::Merge { updates, acknowledgement } => {
            let known = seat.find_known(updates).await?;
            Some((known, acknowledgement != Acknowledgement::None))
        }
        _ => None,
    }
}

/// Returns what to tell a user whose editor has written content which cannot be kept.
fn notice_of_omission() -> &'static str {
    tracing::info!("left out content of an editor that is not supported");
    "Content of a kind that is not supported, such as a hook of XML, was left out. Everything else is saved."
}

/// Commits the last updates of a session that has ended. Nobody receives a reply. A client whose updates are not stored
/// sends them again when it reconnects. For an editor that never `had_seat`, the rate limit and the access are checked first, as for
/// the seat, so that a document is loaded only for those who may edit it.
pub(super) async fn commit_rest(parts: &EditorParts, request: EditRequest, had_seat: bool) {
    let (document, author) = (request.document, request.author);
    let committed = async {
        if !had_seat {
            parts.throttle.wait(&author).await.map_err(|_throttled| StoreError::Busy)?;
            parts.rooms.read_access(author, document, AccessLevel::Edit).await?;
        }
        parts.rooms.edit(request).await
    };
    if let Err(error) = committed.await {
        if remedy(&error) == Remedy::Retry {
            return parts.unstored.note(document, &error);
        }
        let error: &dyn Error = &error;
        tracing::debug!(error, "could not commit an editor's last updates");
    }
}
