//! A commit turn: edits in, and the answer to each. A turn either stores edits ([`store`]) or only reads what other nodes
//! stored ([`follow`]).
//!
//! Waiting edits are stored together. [`stage`](super::stage) rebases each onto the head and onto the edits before it and
//! applies it to the replica; then one transaction commits all of them. Yjs cannot take anything back, so after a failed
//! commit the replica is dropped and loaded again, and the edits are staged afresh.
//!
//! Invariant: an edit that is answered as stored is stored, and what was not stored is in no replica that is used again.

use std::sync::Arc;

use super::{
    EditError, LoadError, StoredEdit,
    acknowledgement::add_state_vectors,
    document_state::DocumentState,
    follow_log::{follow_log, follow_missed, follow_to, is_head_lost, restart},
    job::{Answer, Job},
    over_quota::{ChangeSize, largest_jobs},
    queue::QueuedEdit,
    stage::{StagedBatch, StagedChange, Staging, stage},
    turn_context::TurnContext,
    turn_document::{Continuity, TurnDocument},
    turn_exchange::{MissedChanges, StoredChange, TurnOutcome},
};
use crate::{
    domain::{Change, ChangeKind, EditId, Party, UserId, Version},
    quota::QuotaExceeded,
    store::{Batch, CommitError, Committed, DocumentLock, Head, StoreError},
};

/// The most attempts of a turn that end without an answer, for example because another node committed first or an edit
/// was repeated.
const MAX_ATTEMPTS: usize = 8;

/// The number of turns that lock the document before they stage edits, after another node was first with a commit. Each
/// change of another node that such a turn finds restarts the count.
const LOCKED_TURNS: u8 = 16;

/// Brings the document up to date with other nodes, then stores edits, or answers why not. A deletion must be alone, and no
/// two edits may have the same author and name. `lock` is the document's lock if the document [is
/// contended](super::open_document::OpenDocument::is_contended).
pub(crate) async fn store(
    context: TurnContext,
    state: DocumentState,
    edits: Vec<QueuedEdit>,
    missed: Option<MissedChanges>,
    lock: Option<DocumentLock>,
) -> (DocumentState, TurnOutcome) {
    let mut turn = CommitTurn::new(context, state, edits);
    turn.lock = lock;
    if let Some(missed) = missed {
        match follow_missed(&mut turn.document, missed, &mut turn.lock).await {
            Ok(()) => turn.refuse_lost_bases(),
            // The next comparison tries again.
            Err(error) => {
                turn.fail(error.into());
            }
        }
    }
    turn.run().await
}

/// Brings the document up to date with other nodes without storing anything.
pub(crate) async fn follow(
    context: TurnContext,
    state: DocumentState,
    missed: MissedChanges,
) -> (DocumentState, TurnOutcome) {
    store(context, state, Vec::new(), Some(missed), None).await
}

/// A turn in progress.
struct CommitTurn {
    document: TurnDocument,
    jobs: Vec<Job>,
    /// The lock for the first attempt.
    lock: Option<DocumentLock>,
    /// Where the changes begin that this node stored.
    own_from: Option<usize>,
    /// The versions that Yjs updates made.
    merged: Vec<Version>,
    is_unpublished: bool,
    /// The head after the text of a head was not found.
    without_text: Option<Head>,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// Nothing is left to try.
    Settled,
    /// The open jobs have to be staged again.
    Again,
}

impl CommitTurn {
    pub(super) fn new(context: TurnContext, state: DocumentState, edits: Vec<QueuedEdit>) -> Self {
        Self {
            document: TurnDocument::new(context, state),
            jobs: edits.into_iter().map(Job::new).collect(),
            lock: None,
            own_from: None,
            merged: Vec::new(),
            is_unpublished: false,
            without_text: None,
        }
    }

    /// Tries until every edit has an answer, or too much has interfered.
    async fn run(mut self) -> (DocumentState, TurnOutcome) {
        let mut interruptions = 0;
        while interruptions < MAX_ATTEMPTS && self.open_jobs() > 0 {
            let open = self.open_jobs();
            if self.attempt().await == Attempt::Settled {
                break;
            }
            // Whatever is in the replica was not stored.
            self.document.drop_replica();
            // An attempt that answered a job made progress, so it does not count.
            interruptions += usize::from(self.open_jobs() == open);
        }
        add_state_vectors(&mut self.document, &mut self.jobs, &self.merged).await;
        let own_from = self.own_from.unwrap_or(self.document.change_count());
        let continuity = self.document.continuity();
        let (state, changes) = self.document.finish();
        let changes = changes.into_iter().enumerate().map(|(index, change)| StoredChange {
            is_remote: index < own_from,
            is_merged: self.merged.contains(&change.version),
            change,
        });
        let outcome = TurnOutcome {
            changes: changes.collect(),
            continuity,
            is_unpublished: self.is_unpublished,
            doubtful: self.jobs.iter().filter_map(Job::doubtful_origin).collect(),
            answers: self.jobs.into_iter().map(Job::finish).collect(),
        };
        (state, outcome)
    }

    fn open_jobs(&self) -> usize {
        self.jobs.iter().filter(|job| job.is_open()).count()
    }

    /// Stages the open jobs and commits them. If other nodes write as well, the document is locked first.
    async fn attempt(&mut self) -> Attempt {
        let lock = match self.lock_if_contended().await {
            Ok(lock) => lock,
            Err(EditError::Load(LoadError::NotKept)) => return self.follow_from_gap().await,
            Err(error) => return self.fail(error),
        };
        let mut final_answers = Vec::new();
        let staging = stage(&mut self.document, &self.jobs, &mut final_answers).await;
        for (index, answer) in final_answers {
            self.jobs[index].answer(answer);
        }
        match staging {
            Ok(Staging::Ready(batch)) => self.commit(batch, lock).await,
            Ok(Staging::Again) => Attempt::Again,
            // The head in memory is so old that the log no longer reaches it.
            Err(EditError::Load(LoadError::NotKept)) => {
                drop(lock);
                self.follow_from_gap().await
            }
            Err(error) => self.fail(error),
        }
    }

    /// Locks the document if another node was first a short time ago, and reads what that node stored. Nobody can be first
    /// while the lock is held, and those who wait for it get it in turn.
    async fn lock_if_contended(&mut self) -> Result<Option<DocumentLock>, EditError> {
        let lock = match self.lock.take() {
            Some(lock) => lock,
            None if self.document.locked_turns() == 0 => return Ok(None),
            None => {
                // Loaded before, so that others do not wait for it.
                if let Some(head) = self.document.head().cloned() {
                    let party = self.jobs.iter().find(|job| job.is_open());
                    let party = party.map_or(Party::Node, |job| Party::User(job.request.author));
                    self.document.present_content(&head, party).await?;
                }
                let context = self.document.context();
                // While every such connection is in use, trying without a lock is better than waiting.
                if !context.store.can_lock() {
                    return Ok(None);
                }
                context.store.lock_document(context.document).await?
            }
        };
        let is_same = match (lock.head(), self.document.head()) {
            (Some(stored), Some(head)) => stored.is_same_version(head),
            (stored, head) => stored.is_none() && head.is_none(),
        };
        if is_same {
            self.document.set_locked_turns(self.document.locked_turns().saturating_sub(1));
            return Ok(Some(lock));
        }
        self.document.set_locked_turns(LOCKED_TURNS);
        if is_head_lost(&self.document, lock.head()).await? {
            restart(&mut self.document, lock).await?;
            self.refuse_lost_bases();
            return Ok(None);
        }
        follow_to(&mut self.document, lock.head().cloned()).await?;
        Ok(Some(lock))
    }

    /// If the database has lost changes, refuses the edits that may have been made for them. Rebasing them would put their
    /// text in a wrong place.
    fn refuse_lost_bases(&mut self) {
        let (Continuity::Restarted { .. }, Some(head)) =
            (self.document.continuity(), self.document.head().map(|head| head.version))
        else {
            return;
        };
        for job in self.jobs.iter_mut().filter(|job| job.request.has_base()) {
            job.answer_if_open(|| Err(EditError::BaseTooOld { head }));
        }
    }

    async fn commit(&mut self, staged: StagedBatch, lock: Option<DocumentLock>) -> Attempt {
        if self.refuse_exhausted(&staged) {
            return Attempt::Again;
        }
        let Some(head) = self.document.head() else { return self.settle(staged.answers) };
        let batch = Batch {
            document: self.document.context().document,
            base: head.version,
            base_at: Some(head.at),
            changes: staged.changes.iter().map(|staged| staged.change.clone()).collect(),
            receipts: staged.receipts.clone(),
            other_authors: staged.other_authors.clone(),
        };
        if batch.is_empty() {
            return self.settle(staged.answers);
        }
        let committed = match lock {
            Some(lock) => lock.commit(&batch).await,
            None => self.document.context().store.commit(batch).await,
        };
        if committed.is_err() {
            // What is in the replica was not stored, or it is not known whether it was.
            self.document.drop_replica();
        }
        match committed {
            Ok(committed) => {
                self.record(staged.changes, committed);
                self.settle(staged.answers)
            }
            Err(CommitError::Denied(users)) => self.deny(&users),
            Err(CommitError::Overtaken) => {
                if self.document.context().store.locks_documents() {
                    self.document.set_locked_turns(LOCKED_TURNS);
                }
                self.follow_log().await
            }
            Err(CommitError::Repeated) => Attempt::Again,
            Err(CommitError::OverQuota(exceeded)) => self.refuse_largest(&staged, exceeded),
            Err(CommitError::Unknown(error)) => self.look_up(&staged, error).await,
            Err(CommitError::Store(error)) => self.fail(error.into()),
        }
    }

    /// Records stored changes and answers their jobs.
    fn record(&mut self, staged: Vec<StagedChange>, committed: Committed) {
        let Committed { at, authors } = committed;
        self.own_from.get_or_insert(self.document.change_count());
        for StagedChange { job, change, content, omitted, .. } in staged {
            let Some(head) = self.document.head() else { return };
            let (version, previous_at) = (head.version.next(), Some(head.at));
            if self.jobs[job].request.is_from_yjs_editor() {
                self.merged.push(version);
            }
            let is_deleted = change.kind == ChangeKind::Deleted;
            self.jobs[job].answer(Ok(StoredEdit {
                version,
                title: Arc::clone(&change.title),
                at,
                content: Some(content.clone()),
                state_vector: None,
                omitted,
            }));
            self.document.append(Arc::new(Change {
                document: self.document.context().document,
                kind: change.kind,
                version,
                author: authors.get(&change.author).cloned(),
                session: change.session,
                title: change.title,
                delta: change.delta,
                update: change.update,
                content: Some(content),
                at,
                previous_at,
            }));
            self.document.confirm_head();
            if is_deleted {
                self.document.set_head(None);
                self.document.drop_replica();
            }
        }
    }

    /// Refuses the jobs of users who may not edit the document. The others are tried again.
    fn deny(&mut self, users: &[UserId]) -> Attempt {
        for job in self.jobs.iter_mut().filter(|job| users.contains(&job.request.author)) {
            job.answer_if_open(|| Err(StoreError::Denied.into()));
        }
        Attempt::Again
    }

    /// Refuses the updates of editors whose authors have used up their allowance of changes. Other requests were checked before.
    /// Returns whether there are any.
    fn refuse_exhausted(&mut self, staged: &StagedBatch) -> bool {
        let mut has_refused = false;
        for StagedChange { job, .. } in &staged.changes {
            let job = &mut self.jobs[*job];
            if job.request.is_from_yjs_editor()
                && let Err(refusal) =
                    self.document.context().store.check_change_allowance(job.request.author)
            {
                job.answer_if_open(|| Err(refusal.into()));
                has_refused = true;
            }
        }
        has_refused
    }

    /// Refuses the largest jobs, first of those that make the text longer, so that the others fit into the quota of the
    /// document's owner. These are tried again.
    fn refuse_largest(&mut self, staged: &StagedBatch, exceeded: QuotaExceeded) -> Attempt {
        let changes = staged.changes.iter().map(|staged| ChangeSize {
            job: staged.job,
            bytes: staged.change.estimated_bytes() as u64,
            lengthens: staged.lengthens,
        });
        let refused = largest_jobs(changes, exceeded.limit.saturating_sub(exceeded.used));
        if refused.is_empty() {
            return self.fail(StoreError::OverQuota(exceeded).into());
        }
        for job in refused {
            self.jobs[job].answer_if_open(|| Err(StoreError::OverQuota(exceeded).into()));
        }
        Attempt::Again
    }

    /// Gives these answers to jobs that have none.
    fn settle(&mut self, answers: Vec<(usize, Answer)>) -> Attempt {
        for (index, answer) in answers {
            self.jobs[index].answer_if_open(|| answer);
        }
        Attempt::Settled
    }

    /// Answers every open job with an error: nothing of them was stored. The replica may hold them, so it goes.
    fn fail(&mut self, error: EditError) -> Attempt {
        self.document.drop_replica();
        for job in &mut self.jobs {
            job.answer_if_open(|| Err(error.clone()));
        }
        Attempt::Settled
    }

    /// Another node was first: reads what it stored. The open jobs are then tried again.
    async fn follow_log(&mut self) -> Attempt {
        match follow_log(&mut self.document, &mut self.lock).await {
            Ok(()) => {
                self.refuse_lost_bases();
                Attempt::Again
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// Like `follow_log`, for a head whose text was not found. If that happens twice at one head, the log is damaged. Once, the
    /// snapshots or changes may have been replaced while they were read.
    async fn follow_from_gap(&mut self) -> Attempt {
        self.document.drop_replica();
        let attempt = self.follow_log().await;
        let head = self.document.head().cloned();
        if attempt == Attempt::Again && head.is_some() && self.without_text == head {
            return self.fail(EditError::Load(LoadError::NotKept));
        }
        self.without_text = head;
        attempt
    }

    /// A commit had an unknown outcome: looks in the log. If it happened, the next attempt finds the edits there as it
    /// finds repeated ones. A commit that is still under way holds the document's lock, so the lock is taken first.
    async fn look_up(&mut self, staged: &StagedBatch, error: StoreError) -> Attempt {
        let Some((author, name)) = self.last_name(staged) else { return self.fail(error.into()) };
        let context = self.document.context();
        let found = match context.store.lock_document(context.document).await {
            Ok(lock) => lock.has_edit(author, &name).await,
            Err(error) => Err(error),
        };
        match found {
            Ok(true) => {
                self.is_unpublished = true;
                for staged in &staged.changes {
                    self.jobs[staged.job].expect_stored();
                }
                self.follow_log().await
            }
            Ok(false) => self.fail(error.into()),
            Err(lookup) => {
                tracing::warn!(%lookup, %error, "the outcome of a commit is unknown and could not be looked up");
                self.fail(EditError::Unknown)
            }
        }
    }

    /// Returns an author and a name that the log has exactly if the batch was stored. None if it would store nothing.
    fn last_name(&self, staged: &StagedBatch) -> Option<(UserId, EditId)> {
        let change = staged.changes.last();
        let change = change.map(|last| (last.change.author, self.jobs[last.job].id().clone()));
        let receipt =
            || staged.receipts.last().map(|receipt| (receipt.author, receipt.edit.clone()));
        change.or_else(receipt)
    }
}

#[cfg(test)]
#[path = "turn_tests.rs"]
mod tests;
