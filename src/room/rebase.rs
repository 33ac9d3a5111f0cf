//! What an order does to the text: rebased onto everything that was stored since its base, and applied.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::{
    EditError, Order, TextError, Wish,
    batch::{Run, Staged},
    replica::Replica,
    texts::{self, INLINE_BYTES, PAGE_BYTES},
};
use crate::{
    domain::{Change, Content, Delta, Tie, Version},
    store::Head,
};

/// Finding a difference takes at most this part of the time that an order has; after that it is made coarsely.
const DIFFERENCE_SHARE: u32 = 2;

impl Run {
    /// The text as the replica has it, which is loaded if need be.
    pub(super) async fn present_content(&mut self, head: &Head) -> Result<Content, EditError> {
        Ok(self.replica(head).await?.content().clone())
    }

    async fn replica(&mut self, head: &Head) -> Result<&mut Replica, EditError> {
        if self.editing.replica.is_none() {
            let (store, document) = (&self.desk.store, self.desk.document);
            let (replica, snapshot) = texts::load_replica(store, document, head.version).await?;
            self.editing.snapshot = Some(snapshot);
            self.editing.replica = Some(replica);
        }
        self.editing.replica.as_mut().ok_or(EditError::Text(TextError::Aborted))
    }

    /// Rebases an order's text and applies it to the replica.
    pub(super) async fn apply(
        &mut self,
        index: usize,
        head: &Head,
        staged: &[Staged],
    ) -> Result<Option<Edited>, EditError> {
        let present = self.present_content(head).await?;
        let order = self.orders[index].clone();
        let (base, concurrent) = self.since_base(&order, head, staged, &present).await?;
        let weight = order.bytes()
            + concurrent.iter().map(|delta| delta.weight()).sum::<usize>()
            + if matches!(order.wish, Wish::Replace { .. }) { base.bytes() } else { 0 };
        let Some(replica) = self.editing.replica.take() else { return Ok(None) };
        let (limit, within) = (self.desk.limit, self.desk.apply_within);
        let deadline = Instant::now() + within / DIFFERENCE_SHARE;
        let work = move || edit(replica, &order, &base, &concurrent, limit, deadline);
        let (replica, edited) = if weight <= INLINE_BYTES {
            work()
        } else {
            let working = timeout(within, tokio::task::spawn_blocking(work)).await;
            working
                .map_err(|_elapsed| EditError::TooMuchWork)?
                .map_err(|_panicked| TextError::Aborted)?
        };
        self.editing.replica = Some(replica);
        edited
    }

    /// The text that an order was made for, and what was done to it since, by this batch too.
    async fn since_base(
        &self,
        order: &Order,
        head: &Head,
        staged: &[Staged],
        present: &Content,
    ) -> Result<(Content, Vec<Arc<Delta>>), EditError> {
        let Some(base) = order.base() else { return Ok((present.clone(), vec![])) };
        if base > head.version {
            return Err(EditError::BaseInFuture { head: head.version });
        }
        let in_batch = staged.iter().filter_map(|staged| staged.change.delta.clone());
        if base == head.version && staged.is_empty() {
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
        Ok((content, concurrent))
    }

    /// The empty text before the first version, and what was done to it since: the first version inserted its text.
    async fn since_nothing(
        &self,
        head: &Head,
        staged: &[Staged],
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
    fn recent_content(&self, version: Version) -> Option<Content> {
        let in_turn = self.changes.iter().find(|change| change.version == version);
        match in_turn {
            Some(change) => change.content.clone(),
            None => self.editing.recent.content_at(version),
        }
    }

    async fn content_at(&self, base: Version, head: &Head) -> Result<Content, EditError> {
        match texts::load_content(&self.desk.store, self.desk.document, base).await {
            Err(TextError::NotKept) => Err(EditError::BaseTooOld { head: head.version }),
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
        let (mut deltas, mut last) = (Vec::new(), base);
        while last < head.version {
            let (store, document) = (&self.desk.store, self.desk.document);
            let page = store.list_changes(document, last, head.version, PAGE_BYTES).await?;
            if page.first().is_none_or(|first| first.version != last.next()) {
                return Err(EditError::BaseTooOld { head: head.version });
            }
            for change in page {
                last = change.version;
                deltas.extend(change.delta);
            }
        }
        Ok(deltas)
    }
}

/// What applying an order did.
pub(super) struct Edited {
    pub(super) delta: Arc<Delta>,
    pub(super) update: Bytes,
    /// The text before.
    pub(super) before: Content,
    /// The text after.
    pub(super) after: Content,
}

/// The work on texts: finding the difference, rebasing it, applying it. Takes the replica and gives it back.
fn edit(
    mut replica: Replica,
    order: &Order,
    base: &Content,
    concurrent: &[Arc<Delta>],
    limit: usize,
    deadline: Instant,
) -> (Replica, Result<Option<Edited>, EditError>) {
    let mut delta = order.delta_for(base, deadline.into_std());
    if let Err(misfit) = base.check(&delta) {
        return (replica, Err(misfit.into()));
    }
    for earlier in concurrent {
        delta = Arc::new(delta.transform(earlier, Tie::Theirs));
    }
    if delta.is_empty() {
        return (replica, Ok(None));
    }
    let before = replica.content().clone();
    let edited = replica
        .apply(&delta, limit)
        .map_err(EditError::from)
        .map(|update| Some(Edited { delta, update, before, after: replica.content().clone() }));
    (replica, edited)
}
