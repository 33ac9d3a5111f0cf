//! What a turn does when it is not the one that stored: it reads the log.

use std::sync::Arc;

use super::{
    EditError, LoadError,
    loader::{MAX_INLINE_BYTES, MAX_PAGE_BYTES, follow_each_other},
    stage::StagedBatch,
    turn::CommitTurn,
};
use crate::{
    domain::{Change, ChangeKind, Content, EditId, UserId, Version},
    store::StoreError,
};

impl CommitTurn {
    /// Somebody else was first: takes in what was stored meanwhile, then it is tried again. A replica in which there is
    /// something that was not stored has to be gone by now.
    pub(crate) async fn follow(&mut self) -> bool {
        match self.read_missed().await {
            Ok(()) => false,
            Err(error) => self.fail(error),
        }
    }

    /// Takes in what others told of; what is missing up to a version is read.
    pub(crate) async fn follow_offered(&mut self, offered: Vec<Change>, up_to: Version) {
        if let Some(head) = self.editing.head.as_ref().map(|head| head.version)
            && let Err(error) = self.take_page(head, offered).await
        {
            // What was told may be wrong, or the text before it could not be read: the log tells the same.
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, document.id = %self.desk.document, "changes that were told could not be taken in");
            self.editing.replica = None;
        }
        if self.editing.head.as_ref().is_some_and(|head| head.version < up_to) {
            self.follow().await;
        }
    }

    /// The same where the text at the head is no longer there: if the head is still the head, something is wrong.
    pub(crate) async fn follow_further(&mut self) -> bool {
        let before = self.editing.head.clone();
        let is_settled = self.follow().await;
        if !is_settled && self.editing.head == before {
            return self.fail(EditError::Load(LoadError::NotKept));
        }
        is_settled
    }

    /// Reads what the log has after the head. Where it begins only later, because the rest was forgotten meanwhile, the
    /// turn leaves a gap.
    async fn read_missed(&mut self) -> Result<(), EditError> {
        let (store, document) = (self.desk.store.clone(), self.desk.document);
        let now = store.find_head(document).await?;
        let up_to = now.as_ref().map_or(Version::new(i64::MAX), |now| now.version);
        while let Some(head) = self.editing.head.as_ref().filter(|head| head.version < up_to) {
            let mut page =
                store.list_changes(document, head.version, up_to, MAX_PAGE_BYTES).await?;
            // Of a deleted document nothing is left but the deletion.
            if now.is_none() {
                if page.is_empty() {
                    break;
                }
                for change in &mut page {
                    change.content = Some(Content::default());
                }
                self.take_all(page)?;
            } else if page.is_empty() || !follow_each_other(&page, head.version) {
                self.editing.replica = None;
                self.has_gap = true;
                break;
            } else {
                let head = head.version;
                self.take_page(head, page).await?;
            }
        }
        self.editing.head = now;
        Ok(())
    }

    /// Takes in the next changes after the head, each with the text that it makes.
    async fn take_page(&mut self, head: Version, page: Vec<Change>) -> Result<(), EditError> {
        let before = self.text_at(head);
        // So much is read again when it is needed, where it holds nobody up.
        if page.iter().map(Change::weight).sum::<usize>() > MAX_INLINE_BYTES {
            self.editing.replica = None;
        }
        let page = self.desk.texts.fill(self.desk.document, before, page).await?;
        self.take_all(page)
    }

    fn take_all(&mut self, page: Vec<Change>) -> Result<(), EditError> {
        for change in page {
            self.take_in(&change)?;
            if let Some(head) = &mut self.editing.head {
                head.version = change.version;
                (head.title, head.at) = (Arc::clone(&change.title), change.at);
            }
            self.changes.push(Arc::new(change));
        }
        Ok(())
    }

    /// The text at the head, if it is at hand.
    fn text_at(&self, head: Version) -> Option<Content> {
        let of_replica = self.editing.replica.as_ref().map(|replica| replica.content().clone());
        of_replica.or_else(|| self.recent_content(head))
    }

    /// Brings the replica, where there is one, one version further.
    fn take_in(&mut self, change: &Change) -> Result<(), EditError> {
        let Some(replica) = &mut self.editing.replica else { return Ok(()) };
        match (&change.update, &change.content) {
            (Some(update), Some(content)) => {
                replica.apply_stored(update, content.clone()).map_err(LoadError::from)?;
                if let Some(kept) = &mut self.editing.snapshot {
                    kept.bytes_since = kept.bytes_since.saturating_add(2 * update.len());
                }
            }
            // The text is the same as before, or there is none any more.
            (None, _) if change.kind != ChangeKind::Deleted => {}
            _ => self.editing.replica = None,
        }
        Ok(())
    }

    /// Nobody knows whether the commit happened: the log does. When it did, the orders are found in it like any that
    /// are repeated.
    pub(crate) async fn look_up(&mut self, staging: &StagedBatch, error: StoreError) -> bool {
        let Some((author, name)) = self.last_name(staging) else { return self.fail(error.into()) };
        match self.desk.store.find_edit(self.desk.document, author, &name).await {
            Ok(Some(_receipt)) => {
                self.is_untold = true;
                for staged in &staging.staged {
                    self.orders[staged.order].edit = Some(self.names[staged.order].clone());
                }
                self.follow().await
            }
            Ok(None) => self.fail(error.into()),
            Err(lookup) => {
                tracing::warn!(%lookup, %error, "a commit could not be looked up");
                self.fail(EditError::Unknown)
            }
        }
    }

    /// By whom and under which name something of the batch is in the log, if it is; none if it would have stored nothing.
    fn last_name(&self, staging: &StagedBatch) -> Option<(UserId, EditId)> {
        let change = staging.staged.last();
        let change = change.map(|last| (last.change.author, self.names[last.order].clone()));
        let receipt =
            || staging.receipts.last().map(|receipt| (receipt.author, receipt.edit.clone()));
        change.or_else(receipt)
    }
}
