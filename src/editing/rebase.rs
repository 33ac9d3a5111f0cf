//! Applies an edit to the replica.
//!
//! A delta is rebased onto everything stored since its base and onto the edits staged before it ([`rebase`]). A Yjs update
//! needs no rebasing; it is merged ([`merge`]), and so is the opposite of earlier changes ([`reverse`]). The content of an
//! earlier version needs none either; what differs is written ([`restore`]). All of this runs on a worker thread when the
//! document is large, and spends a budget of steps.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    EditError, EditKind, EditRequest, Omitted,
    delta_rebase::{rebase, since_base},
    stage::StagedBatch,
    turn_document::TurnDocument,
    update_merge::{merge, reverse},
    written_content::{replace_body, restore},
};
use crate::{
    domain::{Content, Delta, Party},
    store::Head,
};

/// An edit that was applied to the replica.
pub(super) struct AppliedEdit {
    pub(super) delta: Arc<Delta>,
    /// The change as a Yjs v1 update.
    pub(super) update: Bytes,
    /// The text before.
    pub(super) before: Content,
    /// The text after.
    pub(super) after: Content,
    /// What of a Yjs update was left out.
    pub(super) omitted: Omitted,
}

/// Applies the text of a request. Returns none if it changes nothing.
///
/// # Errors
/// The edit is wrong, too large or too much work, or what it needs could not be loaded. If the replica is gone afterwards,
/// the failure left something in it, or work that was not waited for still has it.
pub(super) async fn apply(
    document: &mut TurnDocument,
    request: &EditRequest,
    head: &Head,
    batch: &StagedBatch,
) -> Result<Option<AppliedEdit>, EditError> {
    let present = document.present_content(head, Party::User(request.author)).await?;
    match &request.kind {
        EditKind::Merge { updates, .. } => {
            merge(document, request.author, updates.clone(), present).await
        }
        EditKind::Restore { content, .. } => {
            restore(document, request.author, Arc::clone(content), present).await
        }
        EditKind::ReplaceBody { change, .. } => {
            replace_body(document, request.author, Arc::clone(change), present).await
        }
        EditKind::TakeBack { reversal: Some(reversal), .. } => {
            reverse(document, request.author, Arc::clone(reversal), present).await
        }
        // The log had the answer a moment ago. The next attempt brings the reversal.
        EditKind::TakeBack { reversal: None, .. } => Err(EditError::Busy),
        EditKind::Edit { .. } | EditKind::Replace { .. } | EditKind::Delete => {
            let (base, concurrent) = since_base(document, request, head, batch, &present).await?;
            rebase(document, request, base, concurrent, &present).await
        }
    }
}
