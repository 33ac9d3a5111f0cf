//! Writes content into the replica: that of an earlier version, or the new content of a root type.

use std::sync::Arc;

use super::{
    BodyChange, EditError, MergeBounds, Merged, Omitted, Replica, Restored,
    earlier_content::EarlierContent,
    edit_costs::{UPDATE_BYTE_COST, merge_limits},
    rebase::AppliedEdit,
    turn_document::TurnDocument,
    worker_thread::MAX_INLINE_BYTES,
};
use crate::domain::{Budget, Content, UserId};

/// Gives the document the content of an earlier version.
pub(super) async fn restore(
    document: &mut TurnDocument,
    author: UserId,
    earlier: Arc<EarlierContent>,
    before: Content,
) -> Result<Option<AppliedEdit>, EditError> {
    let work = ContentWork { author, weight: earlier.weight(), before };
    let write = move |replica: Replica, bounds: &MergeBounds| {
        let (replica, restored) = earlier.restore(replica, bounds);
        (replica, restored.map_err(EditError::from))
    };
    write_content(document, work, write).await
}

/// Merges the new content of a root type.
pub(super) async fn replace_body(
    document: &mut TurnDocument,
    author: UserId,
    change: Arc<BodyChange>,
    before: Content,
) -> Result<Option<AppliedEdit>, EditError> {
    let work = ContentWork { author, weight: change.weight(), before };
    let write = move |replica: Replica, bounds: &MergeBounds| {
        let update = match change.update(bounds) {
            Ok(Some(update)) => update,
            Ok(None) => return (Some(replica), Ok(None)),
            Err(error) => return (Some(replica), Err(error)),
        };
        let (replica, merged) = replica.merge(&[update], bounds);
        match merged {
            // All of the content is stored, or nothing. The replica that has a part is dropped.
            Ok(Some(Merged { leaves_out: true, .. })) => (None, Err(EditError::TooMuchWork)),
            Ok(Some(Merged { delta, update, .. })) => {
                (replica, Ok(Some(Restored { delta, update })))
            }
            Ok(None) => (replica, Ok(None)),
            Err(error) => (replica, Err(error.into())),
        }
    };
    write_content(document, work, write).await
}

/// The work of writing content into a replica.
struct ContentWork {
    author: UserId,
    /// The size of the content, in bytes.
    weight: usize,
    /// The text before.
    before: Content,
}

/// The replica, unless it has a part of the content, and the change.
type WrittenContent = (Option<Replica>, Result<Option<Restored>, EditError>);

/// Writes content with `write`, which compares it with the replica.
async fn write_content(
    document: &mut TurnDocument,
    ContentWork { author, weight, before }: ContentWork,
    write: impl FnOnce(Replica, &MergeBounds) -> WrittenContent + Send + 'static,
) -> Result<Option<AppliedEdit>, EditError> {
    let Some(replica) = document.take_replica() else { return Ok(None) };
    // Both are read, and perhaps all of the content is written. Always on another thread: a small text may take long to be
    // compared.
    let weight = MAX_INLINE_BYTES + 1 + replica.weight() + UPDATE_BYTE_COST.saturating_mul(weight);
    let context = document.context();
    let bounds = merge_limits(context);
    let within = context.apply_within;
    let work = move |budget: &Budget| {
        let (replica, written) = write(replica, &bounds(budget));
        let after = replica.as_ref().map(|replica| replica.content().clone());
        (replica, written, after.unwrap_or_default())
    };
    let (replica, written, after) = context.permits.run(author, weight, within, work).await?;
    document.put_replica(replica);
    let Some(Restored { delta, update }) = written? else { return Ok(None) };
    let omitted = Omitted::default();
    Ok(Some(AppliedEdit { delta: delta.into(), update, before, after, omitted }))
}
