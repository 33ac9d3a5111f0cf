//! Committing an editor's updates: from an edit request to the reply.

use std::error::Error;

use super::{
    conversation::EditorParts,
    error::{Remedy, remedy},
};
use crate::{
    domain::Version,
    editing::{EditRequest, StoredEdit},
    room::EditorHandle,
    session::StepOutcome,
    store::StoreError,
    wire::yjs,
};

/// Commits the updates of `request` and returns the reply to the editor. `updates_stored` is the number of updates that are
/// stored then; an acknowledgement carries it. `acknowledge` notes the version of the acknowledgement.
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
        false => Err(StoreError::Denied.into()),
    };
    let error = match stored {
        Ok(StoredEdit { is_partial: true, .. }) => return StepOutcome::StoredInPart,
        Ok(StoredEdit { version, state_vector: Some(state_vector), .. }) => {
            acknowledge(version);
            return StepOutcome::Reply(yjs::saved(version, &state_vector, updates_stored));
        }
        Ok(_) => return StepOutcome::Done,
        Err(error) => error,
    };
    match remedy(&error) {
        Remedy::Deny => {
            parts.metrics.permission_denied();
            StepOutcome::Denied(yjs::permission_denied(
                "You may read this document but not change it. Ask its owner for access.",
            ))
        }
        Remedy::Ask => StepOutcome::OutOfSync,
        Remedy::Retry => {
            parts.unstored.note(document, &error);
            StepOutcome::OutOfSync
        }
        Remedy::Refuse(reason) => {
            tracing::info!(reason, "refused an editor's updates");
            StepOutcome::Refused(yjs::permission_denied(&reason))
        }
        Remedy::Close(reason) => {
            let error: &dyn Error = &error;
            tracing::debug!(error, "could not commit an editor's updates");
            StepOutcome::Close(reason)
        }
    }
}

/// Commits the last updates of a session that has ended. Nobody receives a reply. A client whose updates are not stored
/// sends them again when it reconnects.
pub(super) async fn commit_rest(parts: &EditorParts, request: EditRequest) {
    let document = request.document;
    if let Err(error) = parts.rooms.edit(request).await {
        if remedy(&error) == Remedy::Retry {
            return parts.unstored.note(document, &error);
        }
        let error: &dyn Error = &error;
        tracing::debug!(error, "could not commit an editor's last updates");
    }
}
