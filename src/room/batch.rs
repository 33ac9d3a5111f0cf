//! A turn of editing: orders in, and what became of each.
//!
//! The orders that wait are stored together. Each is rebased onto the head and what the others of the batch do before
//! it, and applied to the replica; then all of it is committed in one transaction. Yjs cannot take anything back, so
//! after a commit that failed the replica is dropped and loaded again, and the orders are rebased afresh.
//!
//! Invariant: what a turn answers as stored is stored, and what it did not store is in no replica that is used again.

use std::{sync::Arc, time::Duration};

use super::{
    EditError, Order, Stored, Wish,
    rebase::Edited,
    recent::Recent,
    replica::Replica,
    texts::{self, PAGE_BYTES},
};
use crate::{
    domain::{Change, ChangeKind, Content, DocumentId, EditId, UserId, Version},
    store::{Batch, CommitError, Committed, Head, NewChange, NewReceipt, Store, StoreError},
};

/// How often a batch is tried while something comes in between: another node, a lost right, a repeated edit.
const ATTEMPTS: usize = 8;

/// What a turn works with.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) document: DocumentId,
    pub(super) store: Store,
    /// The largest text, in bytes of UTF-8.
    pub(super) limit: usize,
    /// How long applying one order may take.
    pub(super) apply_within: Duration,
}

/// A document as editing leaves it: everything in here is stored.
pub(super) struct Editing {
    /// Where the document stands; none when it is not there.
    pub(super) head: Option<Head>,
    /// The replica at the head, if it is loaded.
    pub(super) replica: Option<Replica>,
    /// The version of the newest snapshot, if it is known.
    pub(super) snapshot: Option<Version>,
    /// The last changes up to where the turn began; the room adds what the turn stored.
    pub(super) recent: Arc<Recent>,
}

/// What a turn came to.
pub(super) struct Turn {
    pub(super) editing: Editing,
    /// Everything that was stored since the turn began, in the order of versions, by other nodes too.
    pub(super) changes: Vec<Arc<Change>>,
    /// What to answer to each order.
    pub(super) answers: Vec<Result<Stored, EditError>>,
}

/// What a batch would store, and what follows once it is.
#[derive(Default)]
pub(super) struct Staging {
    pub(super) staged: Vec<Staged>,
    receipts: Vec<NewReceipt>,
    /// What to answer to orders that store no change, if the rest is stored.
    verdicts: Vec<(usize, Result<Stored, EditError>)>,
}

/// What one order would store.
pub(super) struct Staged {
    order: usize,
    pub(super) change: NewChange,
    content: Content,
}

/// Stores orders, or says why not. None of them has the same name and author as another, and a deletion is alone.
pub(super) async fn run(desk: Desk, editing: Editing, orders: Vec<Order>) -> Turn {
    Run::new(desk, editing, orders).finish().await
}

/// A turn under way.
pub(super) struct Run {
    pub(super) desk: Desk,
    pub(super) editing: Editing,
    pub(super) orders: Vec<Order>,
    names: Vec<EditId>,
    answers: Vec<Option<Result<Stored, EditError>>>,
    pub(super) changes: Vec<Arc<Change>>,
}

impl Run {
    pub(super) fn new(desk: Desk, editing: Editing, orders: Vec<Order>) -> Self {
        let names = orders.iter().map(|order| order.edit.clone().unwrap_or_else(EditId::unique));
        Self {
            names: names.collect(),
            answers: orders.iter().map(|_| None).collect(),
            desk,
            editing,
            orders,
            changes: Vec::new(),
        }
    }

    /// Tries until every order has its answer, or too much came in between.
    pub(super) async fn finish(mut self) -> Turn {
        let mut interruptions = 0;
        while interruptions < ATTEMPTS && self.waiting() > 0 {
            let waiting = self.waiting();
            if self.attempt().await {
                break;
            }
            // Whatever is in the replica was not stored.
            self.editing.replica = None;
            // An attempt that answered somebody has not been in vain: there are only so many of them.
            interruptions += usize::from(self.waiting() == waiting);
        }
        let answers =
            self.answers.into_iter().map(|answer| answer.unwrap_or(Err(EditError::Overtaken)));
        Turn { editing: self.editing, changes: self.changes, answers: answers.collect() }
    }

    /// How many orders have no answer yet.
    fn waiting(&self) -> usize {
        self.answers.iter().filter(|answer| answer.is_none()).count()
    }

    /// Tries to store what is not answered yet. False when it has to be tried again.
    async fn attempt(&mut self) -> bool {
        let staging = match self.stage().await {
            Ok(Some(staging)) => staging,
            Ok(None) => return false,
            Err(error) => return self.fail(error),
        };
        let Some(head) = self.editing.head.clone() else { return self.settle(staging.verdicts) };
        if staging.staged.is_empty() && staging.receipts.is_empty() {
            return self.settle(staging.verdicts);
        }
        let Staging { staged, receipts, verdicts } = staging;
        let changes = staged.iter().map(|staged| staged.change.clone()).collect();
        let batch = Batch { document: self.desk.document, seen: head.version, changes, receipts };
        match self.desk.store.commit(batch).await {
            Ok(committed) => {
                self.stored(staged, committed);
                self.settle(verdicts)
            }
            Err(CommitError::Denied(users)) => self.deny(&users),
            Err(CommitError::Overtaken) => self.follow().await,
            Err(CommitError::Repeated) => false,
            Err(CommitError::Unknown(error)) => self.look_up(&staged, error).await,
            Err(CommitError::Store(error)) => self.fail(error.into()),
        }
    }

    /// Rebases and applies every order that is not answered yet. None when one of them took the replica with it.
    pub(super) async fn stage(&mut self) -> Result<Option<Staging>, EditError> {
        for index in 0..self.orders.len() {
            self.find_repeated(index).await?;
        }
        let mut staging = Staging::default();
        for index in 0..self.orders.len() {
            if self.answers[index].is_some() {
                continue;
            }
            let Some(head) = self.editing.head.clone() else {
                staging.verdicts.push((index, Err(StoreError::Denied.into())));
                continue;
            };
            match self.stage_one(index, &head, &mut staging.staged).await {
                Ok(true) => {}
                Ok(false) => self.changed_nothing(index, &head, &mut staging),
                Err(EditError::TooMuchWork) => {
                    self.answers[index] = Some(Err(EditError::TooMuchWork));
                    return Ok(None);
                }
                Err(error @ (EditError::Store(_) | EditError::Text(_))) => return Err(error),
                Err(error) => staging.verdicts.push((index, Err(error))),
            }
        }
        Ok(Some(staging))
    }

    /// Answers an order that was stored before as it was answered then.
    async fn find_repeated(&mut self, index: usize) -> Result<(), EditError> {
        let order = &self.orders[index];
        let Some(name) = order.edit.as_ref().filter(|_| self.answers[index].is_none()) else {
            return Ok(());
        };
        let found = self.desk.store.find_edit(order.document, order.author, name).await?;
        let Some(receipt) = found else { return Ok(()) };
        let is_same = receipt.fingerprint.is_none_or(|before| before == order.fingerprint());
        self.answers[index] = Some(if is_same {
            Ok(Stored { version: receipt.version, title: receipt.title, content: None })
        } else {
            Err(EditError::NameTaken)
        });
        Ok(())
    }

    /// An order of which nothing is left makes no version, but it has been accepted.
    fn changed_nothing(&self, index: usize, head: &Head, staging: &mut Staging) {
        let order = &self.orders[index];
        let version = version_after(head.version, staging.staged.len());
        let replica = self.editing.replica.as_ref();
        let title = title_after(head, &staging.staged);
        let stored = Stored {
            version,
            title: Arc::clone(&title),
            content: replica.map(|replica| replica.content().clone()),
        };
        staging.verdicts.push((index, Ok(stored)));
        if let Some(edit) = order.edit.clone() {
            let (author, fingerprint) = (order.author, order.fingerprint());
            staging.receipts.push(NewReceipt { author, edit, fingerprint, version, title });
        }
    }

    /// Rebases and applies one order. False when nothing is left of it.
    async fn stage_one(
        &mut self,
        index: usize,
        head: &Head,
        staged: &mut Vec<Staged>,
    ) -> Result<bool, EditError> {
        let mut title = title_after(head, staged);
        let edited = if self.orders[index].is_about_text() {
            self.apply(index, head, staged).await?
        } else {
            None
        };
        let mut steps = Vec::new();
        match &self.orders[index].wish {
            Wish::Delete => steps.push((ChangeKind::Deleted, Content::default(), None)),
            Wish::Replace { title: Some(wanted), .. } if *wanted.as_str() != *title => {
                title = wanted.as_str().into();
                let content = match &edited {
                    Some(edited) => edited.before.clone(),
                    None => self.present_content(head).await?,
                };
                steps.push((ChangeKind::Renamed, content, None));
            }
            Wish::Replace { .. } | Wish::Edit { .. } => {}
        }
        if let Some(Edited { delta, update, after, .. }) = edited {
            steps.push((ChangeKind::Edited, after, Some((delta, update))));
        }
        let count = steps.len();
        let order = &self.orders[index];
        for (step, (kind, content, edit)) in steps.into_iter().enumerate() {
            let (delta, update) = edit.unzip();
            let name = || (self.names[index].clone(), order.fingerprint());
            let change = NewChange {
                kind,
                author: order.author,
                session: order.session,
                // An edit is found by its last change, with which it is answered.
                edit: (step + 1 == count).then(name),
                title: Arc::clone(&title),
                delta,
                update,
                size: content.bytes(),
            };
            staged.push(Staged { order: index, change, content });
        }
        Ok(count > 0)
    }

    /// It is stored: from here on it may be seen.
    fn stored(&mut self, staged: Vec<Staged>, committed: Committed) {
        let Committed { at, authors } = committed;
        for Staged { order, change, content } in staged {
            let Some(head) = &mut self.editing.head else { return };
            head.version = head.version.next();
            (head.title, head.at) = (Arc::clone(&change.title), at);
            let is_deleted = change.kind == ChangeKind::Deleted;
            let stored = Stored {
                version: head.version,
                title: Arc::clone(&change.title),
                content: Some(content.clone()),
            };
            let change = Arc::new(Change {
                document: self.desk.document,
                kind: change.kind,
                version: head.version,
                author: authors.get(&change.author).cloned(),
                session: change.session,
                title: change.title,
                delta: change.delta,
                update: change.update,
                content: Some(content),
                at,
            });
            self.changes.push(change);
            // An order with two changes is answered with the last of them.
            self.answers[order] = Some(Ok(stored));
            if is_deleted {
                self.editing.head = None;
                self.editing.replica = None;
            }
        }
    }

    /// These users may not change the document; what the others ordered is tried again.
    fn deny(&mut self, users: &[UserId]) -> bool {
        for (answer, order) in self.answers.iter_mut().zip(&self.orders) {
            if users.contains(&order.author) && answer.is_none() {
                *answer = Some(Err(StoreError::Denied.into()));
            }
        }
        false
    }

    /// Somebody else was first: takes in what was stored meanwhile, then it is tried again.
    async fn follow(&mut self) -> bool {
        match self.read_missed().await {
            Ok(()) => false,
            Err(error) => self.fail(error),
        }
    }

    /// Reads what the log has after the head.
    async fn read_missed(&mut self) -> Result<(), EditError> {
        let (store, document) = (self.desk.store.clone(), self.desk.document);
        let now = store.find_head(document).await?;
        let up_to = now.as_ref().map_or(Version::new(i64::MAX), |now| now.version);
        while let Some(head) = self.editing.head.as_ref().filter(|head| head.version < up_to) {
            let mut page = store.list_changes(document, head.version, up_to, PAGE_BYTES).await?;
            if page.is_empty() {
                break;
            }
            // Of a deleted document nothing is left but the deletion.
            if now.is_some() {
                texts::fill_contents(&store, document, &mut page).await?;
            }
            for change in page {
                let (version, title) = (change.version, Arc::clone(&change.title));
                self.editing.head = Some(Head { version, title, at: change.at });
                self.changes.push(Arc::new(change));
            }
        }
        self.editing.head = now;
        Ok(())
    }

    /// Nobody knows whether the commit happened: the log does. When it did, the orders are found in it like any that
    /// are repeated.
    pub(super) async fn look_up(&mut self, staged: &[Staged], error: StoreError) -> bool {
        let (store, document) = (self.desk.store.clone(), self.desk.document);
        let Some(last) = staged.last() else { return self.fail(EditError::Unknown) };
        let (author, name) = (last.change.author, &self.names[last.order]);
        match store.find_edit(document, author, name).await {
            Ok(Some(_receipt)) => {
                for staged in staged {
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

    /// Gives these answers to whoever has none yet; nothing is left to try.
    fn settle(&mut self, verdicts: Vec<(usize, Result<Stored, EditError>)>) -> bool {
        for (index, verdict) in verdicts {
            self.answers[index].get_or_insert(verdict);
        }
        true
    }

    /// Answers everything that is not answered with an error: nothing of it was stored. The replica has it all the
    /// same.
    fn fail(&mut self, error: EditError) -> bool {
        self.editing.replica = None;
        for answer in &mut self.answers {
            answer.get_or_insert_with(|| Err(error.again()));
        }
        true
    }
}

fn version_after(head: Version, changes: usize) -> Version {
    Version::new(head.number() + i64::try_from(changes).unwrap_or(0))
}

fn title_after(head: &Head, staged: &[Staged]) -> Arc<str> {
    staged.last().map_or(&head.title, |staged| &staged.change.title).clone()
}
