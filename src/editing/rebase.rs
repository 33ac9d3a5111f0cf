//! Applies an edit to the replica.
//!
//! A delta is rebased onto everything stored since its base and onto the edits staged before it. A Yjs update needs no
//! rebasing; it is merged, and so is the opposite of earlier changes. The content of an earlier version needs none either; what
//! differs is written. All of this runs on a worker thread when the document is large, and spends a budget of steps.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    ApplyBounds, BodyChange, EditError, EditKind, EditRequest, MergeBounds, Merged, Omitted,
    Replica, Restored, Reversal,
    earlier_content::EarlierContent,
    loader::{MAX_INLINE_BYTES, MAX_PAGE_BYTES},
    stage::StagedBatch,
    turn_context::TurnContext,
    turn_document::TurnDocument,
};
use crate::{
    domain::{Budget, CompareUntil, Content, Delta, Party, Tie, UserId, Version},
    store::Head,
};

/// The share of the time limit that may go into computing a fine difference. After that the difference is coarse. It
/// begins with the work: a wait for permits makes no difference coarse.
const DIFFERENCE_SHARE: u32 = 2;

/// Cost model: walking over this many bytes of text costs as much as one byte of other work.
const WALKED_BYTES_PER_UNIT: usize = 16;

/// Cost model: each struct of an update costs one byte of work per this many bytes of the document, for the structs that
/// it may have to be compared with.
const DOCUMENT_BYTES_PER_UNIT: usize = 1_024;

/// Cost model: a byte of an update costs this many bytes of other work.
const UPDATE_BYTE_COST: usize = 8;

/// The most bytes of formats that rebasing over one change may repeat. What is left of them is limited by
/// [`Delta::MAX_RICH_BYTES`].
const MAX_REPEATED_FORMAT_BYTES: usize = 16 * Delta::MAX_RICH_BYTES;

/// The smallest struct of a Yjs update, in bytes.
const MIN_STRUCT_BYTES: usize = 2;

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

async fn rebase(
    document: &mut TurnDocument,
    request: &EditRequest,
    base: Content,
    concurrent: Vec<Arc<Delta>>,
    present: &Content,
) -> Result<Option<AppliedEdit>, EditError> {
    let is_whole_text = matches!(request.kind, EditKind::Replace { .. });
    // Every step of this edit meets every concurrent delta, and Yjs walks through the text to find each position.
    let weight = request.bytes().saturating_mul(1 + concurrent.len())
        + concurrent.iter().map(|delta| delta.weight()).sum::<usize>()
        + present.bytes() / WALKED_BYTES_PER_UNIT
        + if is_whole_text { base.bytes() } else { 0 };
    let context = document.context();
    let (within, max_text) = (context.apply_within, context.max_text_bytes);
    let (max_structs, max_state) = (context.max_document_structs, context.max_state_bytes);
    let Some(replica) = document.take_replica() else { return Ok(None) };
    // Whether another root type has the text is found out by reading all of them.
    let weight = weight + if present.bytes() == 0 { replica.weight() } else { 0 };
    let (author, request) = (request.author, request.clone());
    let work = move |budget: &Budget| {
        let deadline = (Instant::now() + within / DIFFERENCE_SHARE).into_std();
        let compare_until = CompareUntil { deadline, budget: budget.clone() };
        let apply = ApplyBounds { text: max_text, structs: max_structs, budget };
        let bounds = RebaseBounds { apply, compare_until, max_state };
        rebase_and_apply(replica, &request, &base, &concurrent, &bounds)
    };
    let permits = &document.context().permits;
    let (replica, applied) = permits.run(author, weight, within, work).await?;
    document.put_replica(Some(replica));
    applied
}

/// Gives the document the content of an earlier version.
async fn restore(
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
async fn replace_body(
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

/// Merges the opposite of earlier changes.
async fn reverse(
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

/// Returns the weight of merging updates of `bytes` bytes.
fn merge_weight(replica: &Replica, bytes: usize) -> usize {
    let structs = bytes / MIN_STRUCT_BYTES;
    bytes.saturating_mul(UPDATE_BYTE_COST)
        + structs.saturating_mul(replica.weight() / DOCUMENT_BYTES_PER_UNIT)
        + replica.weight() / WALKED_BYTES_PER_UNIT
        + replica.conflict_check_weight(bytes)
        + replica.format_check_weight(bytes)
}

/// Returns the limits of a merge that begins when they are called with its budget.
pub(super) fn merge_limits(
    context: &TurnContext,
) -> impl FnOnce(&Budget) -> MergeBounds + Send + use<> {
    let compare_within = context.apply_within / DIFFERENCE_SHARE;
    let (text, state) = (context.max_text_bytes, context.max_state_bytes);
    let (structs, document_structs) = (context.max_structs, context.max_document_structs);
    let clients = context.max_clients;
    move |budget| {
        let compare_until = (Instant::now() + compare_within).into_std();
        let budget = budget.clone();
        MergeBounds { text, state, structs, document_structs, clients, compare_until, budget }
    }
}

async fn merge(
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

/// Returns the text that a request was made for and the deltas applied to it since, those of the batch included.
async fn since_base(
    document: &mut TurnDocument,
    request: &EditRequest,
    head: &Head,
    batch: &StagedBatch,
    present: &Content,
) -> Result<(Content, Vec<Arc<Delta>>), EditError> {
    let Some(base) = request.base() else { return Ok((present.clone(), vec![])) };
    let party = Party::User(request.author);
    if base > head.version {
        return Err(EditError::BaseInFuture { head: head.version });
    }
    if base == head.version && batch.changes.is_empty() {
        document.remember_base(base, present.clone());
        return Ok((present.clone(), vec![]));
    }
    if base < Version::FIRST {
        return since_nothing(document, head, party, batch).await;
    }
    let mut concurrent = stored_since(document, base, head).await?;
    concurrent.extend(batch.deltas());
    Ok((document.base_content(base, head, party).await?, concurrent))
}

/// Returns the empty text before the first version and the deltas since: the first version inserted its text.
async fn since_nothing(
    document: &mut TurnDocument,
    head: &Head,
    party: Party,
    batch: &StagedBatch,
) -> Result<(Content, Vec<Arc<Delta>>), EditError> {
    let first = document.load_content(Version::FIRST, head, party).await?;
    let mut concurrent = vec![Arc::new(Delta::insertion(&first.to_string()))];
    concurrent.extend(stored_since(document, Version::FIRST, head).await?);
    concurrent.extend(batch.deltas());
    Ok((Content::default(), concurrent))
}

/// Returns the deltas of everything stored after `base`.
async fn stored_since(
    document: &mut TurnDocument,
    base: Version,
    head: &Head,
) -> Result<Vec<Arc<Delta>>, EditError> {
    if base == head.version {
        return Ok(vec![]);
    }
    if let Some(changes) = document.changes_after(base) {
        return Ok(changes.iter().filter_map(|change| change.delta.clone()).collect());
    }
    let context = document.context();
    let too_old = || EditError::BaseTooOld { head: head.version };
    let (mut read, mut last, mut bytes) = (Vec::new(), base, 0);
    while last < head.version {
        let page = context
            .store
            .list_changes(context.document, last, head.version, MAX_PAGE_BYTES)
            .await?;
        if page.first().is_none_or(|first| first.version != last.next()) {
            return Err(too_old());
        }
        for change in page {
            last = change.version;
            bytes += change.weight();
            read.push(Arc::new(change));
        }
        if bytes > context.rebase_bytes {
            return Err(too_old());
        }
    }
    let deltas = read.iter().filter_map(|change| change.delta.clone()).collect();
    document.keep_read(read);
    Ok(deltas)
}

/// Limits of one rebase.
struct RebaseBounds<'a> {
    apply: ApplyBounds<'a>,
    compare_until: CompareUntil,
    /// The maximum size of the document's Yjs state, in bytes.
    max_state: usize,
}

/// Computes the difference, rebases it and applies it. Takes the replica and returns it.
fn rebase_and_apply(
    mut replica: Replica,
    request: &EditRequest,
    base: &Content,
    concurrent: &[Arc<Delta>],
    bounds: &RebaseBounds<'_>,
) -> (Replica, Result<Option<AppliedEdit>, EditError>) {
    let mut delta = request.delta_for(base, &bounds.compare_until);
    if let Err(mismatch) = base.check(&delta) {
        return (replica, Err(mismatch.into()));
    }
    for earlier in concurrent {
        if let Err(exhausted) = bounds.apply.budget.spend(delta.ops().len() + earlier.ops().len()) {
            return (replica, Err(exhausted.into()));
        }
        let repeated = delta.max_format_bytes().saturating_mul(earlier.ops().len());
        if repeated > MAX_REPEATED_FORMAT_BYTES {
            return (replica, Err(EditError::TooMuchWork));
        }
        delta = Arc::new(delta.transform(earlier, Tie::Theirs));
    }
    if delta.is_empty() {
        return (replica, Ok(None));
    }
    // The author has read the text of another root type, to which no delta refers.
    if let Some(root) = replica.other_body() {
        return (replica, Err(EditError::OtherBody { root }));
    }
    if let Err(error) = check_rich(&delta, &mut replica, bounds.max_state) {
        return (replica, Err(error));
    }
    let before = replica.content().clone();
    match replica.apply(&delta, bounds.apply.clone()) {
        // The text has the formats already.
        Ok(update) if *update == *Replica::EMPTY_UPDATE => (replica, Ok(None)),
        Ok(update) => {
            let after = replica.content().clone();
            let applied = AppliedEdit { delta, update, before, after, omitted: Omitted::default() };
            (replica, Ok(Some(applied)))
        }
        Err(error) => (replica, Err(error.into())),
    }
}

/// Checks the formats and embedded objects of a delta, which do not count in the size of the text.
fn check_rich(delta: &Delta, replica: &mut Replica, limit: usize) -> Result<(), EditError> {
    let bytes = delta.rich_bytes();
    if bytes == 0 {
        return Ok(());
    }
    if bytes > Delta::MAX_RICH_BYTES {
        return Err(EditError::TooMuchWork);
    }
    match replica.weight_with(bytes, limit) {
        size if size > limit => Err(EditError::TooLarge { size, limit }),
        _ => Ok(()),
    }
}
