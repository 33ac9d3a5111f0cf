//! What an order does to the text: rebased onto everything that was stored since its base, and applied. What a Yjs editor
//! wrote needs no rebasing: it is merged.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;

use super::{
    EditError, EditKind, EditRequest, LoadError, MergeBounds, Merged, Replica,
    loader::MAX_PAGE_BYTES, stage::StagedChange, turn::CommitTurn,
};
use crate::{
    domain::{Change, Content, Delta, Tie, Version},
    store::Head,
};

/// Finding a difference takes at most this part of the time that an order has; after that it is made coarsely.
const DIFFERENCE_SHARE: u32 = 2;

/// Walking through so many bytes of text is worth one byte of other work.
const WALKED_BYTES_PER_UNIT: usize = 16;

/// In so many bytes of a document a struct meets others that cost a byte of other work.
const DOCUMENT_BYTES_PER_UNIT: usize = 1_024;

/// What a byte of an update weighs, in bytes of other work.
const MERGE_SHARE: usize = 8;

impl CommitTurn {
    /// The text as the replica has it, which is loaded if need be.
    pub(crate) async fn present_content(&mut self, head: &Head) -> Result<Content, EditError> {
        Ok(self.replica(head).await?.content().clone())
    }

    async fn replica(&mut self, head: &Head) -> Result<&mut Replica, EditError> {
        if self.editing.replica.is_none() {
            let loaded = self.desk.texts.replica(self.desk.document, head.version).await?;
            self.editing.snapshot = Some(loaded.snapshot);
            self.editing.replica = Some(loaded.replica);
        }
        self.editing.replica.as_mut().ok_or(EditError::Load(LoadError::Aborted))
    }

    /// Rebases an order's text and applies it to the replica.
    pub(crate) async fn apply(
        &mut self,
        index: usize,
        head: &Head,
        staged: &[StagedChange],
    ) -> Result<Option<AppliedEdit>, EditError> {
        let present = self.present_content(head).await?;
        let order = self.orders[index].clone();
        if let EditKind::Merge { updates, .. } = order.wish {
            return self.merge(index, updates, present).await;
        }
        let (base, concurrent) = self.since_base(&order, head, staged, &present).await?;
        // Each of the others is met by every step of this one, and Yjs walks through the text to find its place.
        let weight = order.bytes().saturating_mul(1 + concurrent.len())
            + concurrent.iter().map(|delta| delta.weight()).sum::<usize>()
            + present.bytes() / WALKED_BYTES_PER_UNIT
            + if matches!(order.wish, EditKind::Replace { .. }) { base.bytes() } else { 0 };
        let Some(replica) = self.editing.replica.take() else { return Ok(None) };
        let (limit, within) = (self.desk.limit, self.desk.apply_within);
        let began = Instant::now();
        let bounds = RebaseBounds {
            limit,
            compare_until: began + within / DIFFERENCE_SHARE,
            rebase_until: began + within,
        };
        let work = move || edit(replica, &order, &base, &concurrent, &bounds);
        let (replica, edited) = self.desk.benches.work(weight, within, work).await?;
        self.editing.replica = Some(replica);
        edited
    }

    /// Merges what an editor wrote.
    async fn merge(
        &mut self,
        index: usize,
        updates: Vec<Bytes>,
        before: Content,
    ) -> Result<Option<AppliedEdit>, EditError> {
        let Some(replica) = self.editing.replica.take() else { return Ok(None) };
        let bytes = updates.iter().map(Bytes::len).sum::<usize>();
        // Each struct, of which the smallest has two bytes, may meet many others and split them; the text is walked through
        // to see what happened to it.
        let met = (bytes / 2).saturating_mul(replica.weight() / DOCUMENT_BYTES_PER_UNIT);
        let weight =
            bytes.saturating_mul(MERGE_SHARE) + met + replica.weight() / WALKED_BYTES_PER_UNIT;
        let within = self.desk.apply_within;
        let bounds = MergeBounds {
            text: self.desk.limit,
            state: self.desk.state_limit,
            structs: self.desk.structs_limit,
            compare_until: (Instant::now() + within / DIFFERENCE_SHARE).into_std(),
        };
        let work = move || {
            let (replica, merged) = replica.merge(&updates, &bounds);
            let after = replica.as_ref().map(|replica| replica.content().clone());
            (replica, merged, after.unwrap_or_default())
        };
        let (replica, merged, after) = self.desk.benches.work(weight, within, work).await?;
        self.editing.replica = replica;
        let Some(Merged { delta, update, leaves_out }) = merged? else { return Ok(None) };
        self.left_out[index] = leaves_out;
        Ok(Some(AppliedEdit { delta: delta.into(), update, before, after }))
    }

    /// The text that an order was made for, and what was done to it since, by this batch too.
    async fn since_base(
        &mut self,
        order: &EditRequest,
        head: &Head,
        staged: &[StagedChange],
        present: &Content,
    ) -> Result<(Content, Vec<Arc<Delta>>), EditError> {
        let Some(base) = order.base() else { return Ok((present.clone(), vec![])) };
        if base > head.version {
            return Err(EditError::BaseInFuture { head: head.version });
        }
        let in_batch = staged.iter().filter_map(|staged| staged.change.delta.clone());
        if base == head.version && staged.is_empty() {
            self.base = Some((base, present.clone()));
            return Ok((present.clone(), vec![]));
        }
        if base < Version::FIRST {
            return self.since_nothing(head, staged).await;
        }
        let mut concurrent = self.stored_since(base, head).await?;
        concurrent.extend(in_batch);
        let content = match self.recent_content(base) {
            Some(content) => content,
            None => self.content_at(base, head).await?,
        };
        self.base = Some((base, content.clone()));
        Ok((content, concurrent))
    }

    /// The empty text before the first version, and what was done to it since: the first version inserted its text.
    async fn since_nothing(
        &self,
        head: &Head,
        staged: &[StagedChange],
    ) -> Result<(Content, Vec<Arc<Delta>>), EditError> {
        let first = self.content_at(Version::FIRST, head).await?;
        let mut concurrent = vec![Arc::new(Delta::insertion(&first.to_string()))];
        concurrent.extend(self.stored_since(Version::FIRST, head).await?);
        concurrent.extend(staged.iter().filter_map(|staged| staged.change.delta.clone()));
        Ok((Content::default(), concurrent))
    }

    /// Every change after `base`, if all of them are in memory.
    fn recent_after(&self, base: Version) -> Option<Vec<Arc<Change>>> {
        let Some(first) = self.changes.first() else { return self.editing.recent.after(base) };
        let mut after = match base < first.version.previous() {
            true => self.editing.recent.after(base)?,
            false => vec![],
        };
        let in_turn = self.changes.iter().filter(|change| change.version > base);
        after.extend(in_turn.cloned());
        Some(after)
    }

    /// The text at a version, if it is in memory.
    pub(crate) fn recent_content(&self, version: Version) -> Option<Content> {
        if let Some((known, content)) = &self.base
            && *known == version
        {
            return Some(content.clone());
        }
        let in_turn = self.changes.iter().find(|change| change.version == version);
        match in_turn {
            Some(change) => change.content.clone(),
            None => self.editing.recent.content_at(version),
        }
    }

    async fn content_at(&self, base: Version, head: &Head) -> Result<Content, EditError> {
        match self.desk.texts.content(self.desk.document, base).await {
            Err(LoadError::NotKept) => Err(EditError::BaseTooOld { head: head.version }),
            content => Ok(content?),
        }
    }

    /// The deltas of everything that was stored after `base`.
    async fn stored_since(&self, base: Version, head: &Head) -> Result<Vec<Arc<Delta>>, EditError> {
        if base == head.version {
            return Ok(vec![]);
        }
        if let Some(changes) = self.recent_after(base) {
            return Ok(changes.iter().filter_map(|change| change.delta.clone()).collect());
        }
        let (mut deltas, mut last, mut bytes) = (Vec::new(), base, 0);
        while last < head.version {
            let (store, document) = (&self.desk.store, self.desk.document);
            let page = store.list_changes(document, last, head.version, MAX_PAGE_BYTES).await?;
            if page.first().is_none_or(|first| first.version != last.next()) {
                return Err(EditError::BaseTooOld { head: head.version });
            }
            for change in page {
                last = change.version;
                bytes += change.weight();
                deltas.extend(change.delta);
            }
            if bytes > self.desk.rebase_bytes {
                return Err(EditError::BaseTooOld { head: head.version });
            }
        }
        Ok(deltas)
    }
}

/// What applying an order did.
pub(crate) struct AppliedEdit {
    pub(crate) delta: Arc<Delta>,
    pub(crate) update: Bytes,
    /// The text before.
    pub(crate) before: Content,
    /// The text after.
    pub(crate) after: Content,
}

/// What an edit may take.
struct RebaseBounds {
    /// The largest text, in bytes.
    limit: usize,
    compare_until: Instant,
    rebase_until: Instant,
}

/// The work on texts: finding the difference, rebasing it, applying it. Takes the replica and gives it back.
fn edit(
    mut replica: Replica,
    order: &EditRequest,
    base: &Content,
    concurrent: &[Arc<Delta>],
    bounds: &RebaseBounds,
) -> (Replica, Result<Option<AppliedEdit>, EditError>) {
    let mut delta = order.delta_for(base, bounds.compare_until.into_std());
    if let Err(misfit) = base.check(&delta) {
        return (replica, Err(misfit.into()));
    }
    for earlier in concurrent {
        // Whoever waits for this has given up by then; the thread is wanted for others.
        if Instant::now() > bounds.rebase_until {
            return (replica, Err(EditError::TooMuchWork));
        }
        delta = Arc::new(delta.transform(earlier, Tie::Theirs));
    }
    if delta.is_empty() {
        return (replica, Ok(None));
    }
    let before = replica.content().clone();
    let edited = replica.apply(&delta, bounds.limit).map_err(EditError::from).map(|update| {
        Some(AppliedEdit { delta, update, before, after: replica.content().clone() })
    });
    (replica, edited)
}
