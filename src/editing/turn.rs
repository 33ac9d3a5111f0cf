//! A turn of editing: orders in, and what became of each.
//!
//! The orders that wait are stored together. Each is rebased onto the head and what the others of the batch do before
//! it, and applied to the replica; then all of it is committed in one transaction. Yjs cannot take anything back, so
//! after a commit that failed the replica is dropped and loaded again, and the orders are rebased afresh.
//!
//! Invariant: what a turn answers as stored is stored, and what it did not store is in no replica that is used again.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;

use super::{
    EditError, EditRequest, LoadError, Replica, StoredEdit,
    loader::{DocumentLoader, LastSnapshot},
    recent::RecentChanges,
    stage::StagedChange,
    workers::WorkPermits,
};
use crate::{
    domain::{Change, ChangeKind, Content, DocumentId, EditId, Fingerprint, UserId, Version},
    store::{Batch, CommitError, Committed, Head, Store, StoreError},
};

/// How often a batch is tried while something comes in between: another node, a lost right, a repeated edit.
const MAX_ATTEMPTS: usize = 8;

/// What a turn works with.
#[derive(Clone)]
pub(crate) struct TurnContext {
    pub(crate) document: DocumentId,
    pub(crate) store: Store,
    pub(crate) texts: DocumentLoader,
    /// The largest text, in bytes of UTF-8.
    pub(crate) limit: usize,
    /// The largest document as Yjs holds it, in bytes.
    pub(crate) state_limit: usize,
    /// The most structs that an editor's update may have.
    pub(crate) structs_limit: usize,
    /// How long applying one order may take.
    pub(crate) apply_within: Duration,
    /// Who works on large texts has one of these as long as the work lasts, also when nobody waits for it any more.
    pub(crate) benches: WorkPermits,
    /// How many bytes of changes an order may be rebased over.
    pub(crate) rebase_bytes: usize,
}

/// A document as editing leaves it: everything in here is stored.
pub(crate) struct DocumentState {
    /// Where the document stands; none when it is not there.
    pub(crate) head: Option<Head>,
    /// The replica at the head, if it is loaded.
    pub(crate) replica: Option<Replica>,
    /// The newest snapshot, if it is known.
    pub(crate) snapshot: Option<LastSnapshot>,
    /// The last changes up to where the turn began; the room adds what the turn stored.
    pub(crate) recent: Arc<RecentChanges>,
}

/// What a turn came to.
pub(crate) struct TurnOutcome {
    pub(crate) editing: DocumentState,
    /// Everything that was stored since the turn began, in the order of versions, by other nodes too.
    pub(crate) changes: Vec<Arc<Change>>,
    /// How many of them others stored, who have told of them: the first ones.
    pub(crate) followed: usize,
    /// Which of them are what an editor wrote, so that it has them.
    pub(crate) merged: Vec<Version>,
    /// Whether versions are missing between what was known before and what is known now: they were forgotten.
    pub(crate) has_gap: bool,
    /// Whether something that was found in the log is from here, and was told to nobody yet.
    pub(crate) is_untold: bool,
    /// What to answer to each order.
    pub(crate) answers: Vec<Result<StoredEdit, EditError>>,
}

/// Stores orders, or says why not. None of them has the same name and author as another, and a deletion is alone.
pub(crate) async fn run(
    desk: TurnContext,
    editing: DocumentState,
    orders: Vec<EditRequest>,
) -> TurnOutcome {
    CommitTurn::new(desk, editing, orders).finish().await
}

/// Takes in what others stored up to a version, and stores nothing. `offered` is what they told of it: the next changes
/// after the head. The rest is read.
pub(crate) async fn follow(
    desk: TurnContext,
    editing: DocumentState,
    offered: Vec<Change>,
    up_to: Version,
) -> TurnOutcome {
    let mut run = CommitTurn::new(desk, editing, Vec::new());
    run.follow_offered(offered, up_to).await;
    run.finish().await
}

/// A turn under way.
pub(crate) struct CommitTurn {
    pub(crate) desk: TurnContext,
    pub(crate) editing: DocumentState,
    pub(crate) orders: Vec<EditRequest>,
    pub(crate) names: Vec<EditId>,
    pub(crate) prints: Vec<Option<Fingerprint>>,
    pub(crate) answers: Vec<Option<Result<StoredEdit, EditError>>>,
    /// Of which orders something was left out, because it hangs on what is not here.
    pub(crate) left_out: Vec<bool>,
    pub(crate) changes: Vec<Arc<Change>>,
    /// Where among them those begin that were stored here.
    stored_from: Option<usize>,
    /// The text that an order of this turn was made for, if it had to be read: the next one's is often the same.
    pub(crate) base: Option<(Version, Content)>,
    pub(crate) has_gap: bool,
    /// The versions that editors' updates made.
    merged: Vec<Version>,
    /// A commit of which nobody knew was found in the log.
    pub(crate) is_untold: bool,
}

impl CommitTurn {
    pub(crate) fn new(desk: TurnContext, editing: DocumentState, orders: Vec<EditRequest>) -> Self {
        let names = orders.iter().map(|order| order.edit.clone().unwrap_or_else(EditId::unique));
        Self {
            names: names.collect(),
            prints: vec![None; orders.len()],
            answers: orders.iter().map(|_| None).collect(),
            left_out: vec![false; orders.len()],
            desk,
            editing,
            orders,
            changes: Vec::new(),
            stored_from: None,
            base: None,
            has_gap: false,
            merged: Vec::new(),
            is_untold: false,
        }
    }

    /// Tries until every order has its answer, or too much came in between.
    pub(crate) async fn finish(mut self) -> TurnOutcome {
        let mut interruptions = 0;
        while interruptions < MAX_ATTEMPTS && self.waiting() > 0 {
            let waiting = self.waiting();
            if self.attempt().await {
                break;
            }
            // Whatever is in the replica was not stored.
            self.editing.replica = None;
            // An attempt that answered somebody has not been in vain: there are only so many of them.
            interruptions += usize::from(self.waiting() == waiting);
        }
        self.add_state_vector().await;
        let answers =
            self.answers.into_iter().map(|answer| answer.unwrap_or(Err(EditError::Overtaken)));
        TurnOutcome {
            editing: self.editing,
            followed: self.stored_from.unwrap_or(self.changes.len()),
            changes: self.changes,
            merged: self.merged,
            has_gap: self.has_gap,
            is_untold: self.is_untold,
            answers: answers.collect(),
        }
    }

    /// Says what is stored of each client to those who want to know. What is in the replica now is.
    async fn add_state_vector(&mut self) {
        let is_stored = |answer: &Option<Result<StoredEdit, _>>| matches!(answer, Some(Ok(_)));
        let mut orders = self.orders.iter().zip(&self.answers);
        let is_wanted =
            orders.any(|(order, answer)| order.wants_state_vector() && is_stored(answer));
        let (true, Some(head)) = (is_wanted, self.editing.head.clone()) else { return };
        // After a commit that had to be looked up it is not here; where it cannot be read, the next change says it.
        if let Err(error) = self.present_content(&head).await {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, "it could not be said what is stored");
        }
        let Some(replica) = &self.editing.replica else { return };
        let state_vector = Bytes::from(replica.state_vector());
        for (order, answer) in self.orders.iter().zip(&mut self.answers) {
            if let Some(Ok(stored)) = answer
                && order.wants_state_vector()
            {
                stored.state_vector = Some(state_vector.clone());
            }
        }
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
            // What the room knows of is so old that it was forgotten meanwhile.
            Err(EditError::Load(LoadError::NotKept)) => {
                self.editing.replica = None;
                return self.follow_further().await;
            }
            Err(error) => return self.fail(error),
        };
        let Some(head) = self.editing.head.clone() else { return self.settle(staging.verdicts) };
        let batch = Batch {
            document: self.desk.document,
            base: head.version,
            changes: staging.staged.iter().map(|staged| staged.change.clone()).collect(),
            receipts: staging.receipts.clone(),
            other_authors: staging.askers.clone(),
        };
        if batch.is_empty() {
            return self.settle(staging.verdicts);
        }
        let committed = self.desk.store.commit(batch).await;
        if committed.is_err() {
            // What is in the replica was not stored, or nobody knows.
            self.editing.replica = None;
        }
        match committed {
            Ok(committed) => {
                self.stored(staging.staged, committed);
                self.settle(staging.verdicts)
            }
            Err(CommitError::Denied(users)) => self.deny(&users),
            Err(CommitError::Overtaken) => self.follow().await,
            Err(CommitError::Repeated) => false,
            Err(CommitError::Unknown(error)) => self.look_up(&staging, error).await,
            Err(CommitError::Store(error)) => self.fail(error.into()),
        }
    }

    /// It is stored: from here on it may be seen.
    fn stored(&mut self, staged: Vec<StagedChange>, committed: Committed) {
        let Committed { at, authors } = committed;
        self.stored_from.get_or_insert(self.changes.len());
        for StagedChange { order, change, content } in staged {
            let Some(head) = &mut self.editing.head else { return };
            head.version = head.version.next();
            (head.title, head.at) = (Arc::clone(&change.title), at);
            if self.orders[order].is_editors() {
                self.merged.push(head.version);
            }
            let is_deleted = change.kind == ChangeKind::Deleted;
            let stored = StoredEdit {
                version: head.version,
                title: Arc::clone(&change.title),
                at,
                content: Some(content.clone()),
                state_vector: None,
                is_partial: self.left_out[order],
            };
            if let (Some(kept), Some(update)) = (&mut self.editing.snapshot, &change.update) {
                // A delta says about the same as the update.
                kept.bytes_since = kept.bytes_since.saturating_add(2 * update.len());
            }
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

    /// Gives these answers to whoever has none yet; nothing is left to try.
    fn settle(&mut self, verdicts: Vec<(usize, Result<StoredEdit, EditError>)>) -> bool {
        for (index, verdict) in verdicts {
            self.answers[index].get_or_insert(verdict);
        }
        true
    }

    /// Answers everything that is not answered with an error: nothing of it was stored. The replica has it all the
    /// same.
    pub(crate) fn fail(&mut self, error: EditError) -> bool {
        self.editing.replica = None;
        for answer in &mut self.answers {
            answer.get_or_insert_with(|| Err(error.clone()));
        }
        true
    }
}
