//! Rebases the delta of an edit, or that of a whole text, onto everything stored since its base and onto the edits staged
//! before it.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    ApplyBounds, EditError, EditKind, EditRequest, Omitted, Replica,
    edit_costs::{DIFFERENCE_SHARE, WALKED_BYTES_PER_UNIT},
    loader::MAX_PAGE_BYTES,
    rebase::AppliedEdit,
    stage::StagedBatch,
    turn_document::TurnDocument,
};
use crate::{
    domain::{Budget, CompareUntil, Content, Delta, Party, Tie, Version},
    store::Head,
};

/// The most bytes of formats that rebasing over one change may repeat. What is left of them is limited by
/// [`Delta::MAX_RICH_BYTES`].
const MAX_REPEATED_FORMAT_BYTES: usize = 16 * Delta::MAX_RICH_BYTES;

/// Rebases the delta of a request over `concurrent`, the deltas since its base, and applies it.
pub(super) async fn rebase(
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

/// Returns the text that a request was made for and the deltas applied to it since, those of the batch included.
pub(super) async fn since_base(
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
