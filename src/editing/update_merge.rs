//! Merges Yjs updates into the replica: those of an edit, or the opposite of earlier changes.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    EditError, Merged, Omitted, Restored, Reversal,
    edit_costs::{merge_limits, merge_weight},
    rebase::AppliedEdit,
    turn_document::TurnDocument,
};
use crate::domain::{Budget, Content, UserId};

/// Merges the updates of an edit.
pub(super) async fn merge(
    document: &mut TurnDocument,
    author: UserId,
    updates: Vec<Bytes>,
    before: Content,
) -> Result<Option<AppliedEdit>, EditError> {
    let Some(replica) = document.take_replica() else { return Ok(None) };
    let weight = merge_weight(&replica, updates.iter().map(Bytes::len).sum());
    let context = document.context();
    let bounds = merge_limits(context);
    let within = context.apply_within;
    let work = move |budget: &Budget| {
        let (replica, merged) = replica.merge(&updates, &bounds(budget));
        let after = replica.as_ref().map(|replica| replica.content().clone());
        (replica, merged, after.unwrap_or_default())
    };
    let (replica, merged, after) = context.permits.run(author, weight, within, work).await?;
    document.put_replica(replica);
    let Some(Merged { delta, update, leaves_out, drops_content }) = merged? else {
        return Ok(None);
    };
    let omitted = Omitted { rest: leaves_out, content: drops_content };
    Ok(Some(AppliedEdit { delta: delta.into(), update, before, after, omitted }))
}

/// Merges the opposite of earlier changes.
pub(super) async fn reverse(
    document: &mut TurnDocument,
    author: UserId,
    reversal: Arc<Reversal>,
    before: Content,
) -> Result<Option<AppliedEdit>, EditError> {
    let Some(replica) = document.take_replica() else { return Ok(None) };
    let weight = merge_weight(&replica, reversal.weight());
    let context = document.context();
    let bounds = merge_limits(context);
    let within = context.apply_within;
    let work = move |budget: &Budget| {
        let (replica, reversed) = replica.reverse(&reversal, &bounds(budget));
        let after = replica.as_ref().map(|replica| replica.content().clone());
        (replica, reversed, after.unwrap_or_default())
    };
    let (replica, reversed, after) = context.permits.run(author, weight, within, work).await?;
    document.put_replica(replica);
    let Some(Restored { delta, update }) = reversed? else { return Ok(None) };
    let omitted = Omitted::default();
    Ok(Some(AppliedEdit { delta: delta.into(), update, before, after, omitted }))
}
