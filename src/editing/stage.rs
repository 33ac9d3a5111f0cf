//! What a commit turn would store.
//!
//! [`stage`] rebases or merges each job onto the head and onto the jobs before it, and applies it to the replica. It
//! returns values and answers nobody: the turn does that when the batch is stored.

use std::{collections::HashMap, sync::Arc};

use super::{
    EditError, EditKind, EditRequest, Omitted, StoredEdit,
    job::{Answer, Job},
    rebase::{self, AppliedEdit},
    turn_document::TurnDocument,
};
use crate::{
    domain::{ChangeKind, Content, Delta, EditId, Metadata, Party, UserId, Version},
    store::{Head, NewChange, NewReceipt, Receipt, StoreError},
};

/// The result of staging.
pub(super) enum Staging {
    /// The batch can be committed.
    Ready(StagedBatch),
    /// A job failed and took the replica with it. The others have to be staged again.
    Again,
}

/// What a batch would store, and the answers that follow from storing it.
#[derive(Default)]
pub(super) struct StagedBatch {
    pub(super) changes: Vec<StagedChange>,
    pub(super) receipts: Vec<NewReceipt>,
    /// Answers to jobs that store no change. They are given when the rest is stored.
    pub(super) answers: Vec<(usize, Answer)>,
    /// The authors of jobs that store no change. The commit checks their access as well, because an answer reveals
    /// something of the document.
    pub(super) other_authors: Vec<UserId>,
}

/// What one job would store.
pub(super) struct StagedChange {
    /// The job's index.
    pub(super) job: usize,
    pub(super) change: NewChange,
    /// The text after the change.
    pub(super) content: Content,
    /// Whether the change makes the text longer.
    pub(super) lengthens: bool,
    /// What of a Yjs update was left out.
    pub(super) omitted: Omitted,
}

impl StagedBatch {
    /// Returns the deltas of the staged changes.
    pub(super) fn deltas(&self) -> impl Iterator<Item = Arc<Delta>> {
        self.changes.iter().filter_map(|staged| staged.change.delta.clone())
    }

    fn answer(&mut self, index: usize, job: &Job, answer: Answer) {
        self.other_authors.push(job.request.author);
        self.answers.push((index, answer));
    }

    /// The title after the staged changes.
    fn title(&self, head: &Head) -> Arc<str> {
        self.changes.last().map_or(&head.title, |staged| &staged.change.title).clone()
    }

    /// The version after the staged changes.
    fn version(&self, head: &Head) -> Version {
        let changes = i64::try_from(self.changes.len()).unwrap_or(0);
        Version::new(head.version.number() + changes)
    }
}

/// Stages every job that has no answer yet. Adds to `final_answers` those that stay valid whatever happens to the other
/// jobs: they need not be stored, or the other jobs are staged again.
///
/// # Errors
/// The store failed, or the document could not be loaded: nothing can be staged.
pub(super) async fn stage(
    document: &mut TurnDocument,
    jobs: &[Job],
    final_answers: &mut Vec<(usize, Answer)>,
) -> Result<Staging, EditError> {
    let mut batch = StagedBatch::default();
    let stored = find_stored(document, jobs).await?;
    for (index, job) in jobs.iter().enumerate().filter(|(_, job)| job.is_open()) {
        if let Some(answer) = answer_stored(&stored, job).await? {
            batch.answer(index, job, answer);
            continue;
        }
        let Some(head) = document.head().cloned() else {
            batch.answers.push((index, Err(StoreError::Denied.into())));
            continue;
        };
        let staged = stage_job(document, job, &head, &batch).await;
        match staged {
            // The document has all of an editor's update already, and it was stored before. The answer reveals nothing that
            // the editor does not receive anyway, so it needs neither a transaction nor a store that can write.
            Ok(steps)
                if steps.is_empty()
                    && job.request.is_from_yjs_editor()
                    && batch.changes.is_empty() =>
            {
                final_answers.push((index, Ok(unchanged(document, &head, &batch))));
            }
            Ok(steps) if steps.is_empty() => {
                note_unchanged(document, index, job, &head, &mut batch).await?;
            }
            Ok(steps) => batch.changes.extend(steps.into_iter().map(|step| step.of(index))),
            Err(error @ (EditError::Store(_) | EditError::Load(_))) => return Err(error),
            Err(error) if !document.has_replica() => {
                final_answers.push((index, Err(error)));
                return Ok(Staging::Again);
            }
            Err(EditError::TooMuchWork) => {
                final_answers.push((index, Err(EditError::TooMuchWork)));
            }
            Err(error) => batch.answer(index, job, Err(error)),
        }
    }
    Ok(Staging::Ready(batch))
}

/// The edits that the log has already.
type StoredEdits = HashMap<(UserId, EditId), Receipt>;

/// Finds the open jobs that the log has already, in one query.
async fn find_stored(document: &TurnDocument, jobs: &[Job]) -> Result<StoredEdits, EditError> {
    let open = jobs.iter().filter(|job| job.is_open());
    let name = |job: &Job| Some((job.request.author, job.stored_name()?.clone()));
    let names: Vec<_> = open.filter_map(name).collect();
    let context = document.context();
    Ok(context.store.find_edits(context.document, &names).await?)
}

/// Returns the answer to an edit that the log has already: the same as it had then.
async fn answer_stored(stored: &StoredEdits, job: &Job) -> Result<Option<Answer>, EditError> {
    let Some(name) = job.stored_name() else { return Ok(None) };
    let Some(receipt) = stored.get(&(job.request.author, name.clone())) else { return Ok(None) };
    let fingerprint = job.fingerprint().await?;
    if receipt.fingerprint.is_some_and(|stored| stored != fingerprint) {
        return Ok(Some(Err(EditError::NameTaken)));
    }
    Ok(Some(Ok(StoredEdit {
        version: receipt.version,
        title: Arc::clone(&receipt.title),
        at: receipt.at,
        content: None,
        state_vector: None,
        omitted: Omitted::default(),
    })))
}

/// Returns the answer to an edit that changes nothing: the version that it met.
fn unchanged(document: &TurnDocument, head: &Head, batch: &StagedBatch) -> StoredEdit {
    StoredEdit {
        version: batch.version(head),
        title: batch.title(head),
        at: head.at,
        content: document.loaded_replica().map(|replica| replica.content().clone()),
        state_vector: None,
        omitted: Omitted::default(),
    }
}

/// Stages an edit that changes nothing: it makes no version, but its name is remembered.
async fn note_unchanged(
    document: &TurnDocument,
    index: usize,
    job: &Job,
    head: &Head,
    batch: &mut StagedBatch,
) -> Result<(), EditError> {
    let stored = unchanged(document, head, batch);
    let (version, title) = (stored.version, Arc::clone(&stored.title));
    batch.answer(index, job, Ok(stored));
    if let Some(name) = job.stored_name() {
        let (author, edit) = (job.request.author, name.clone());
        let fingerprint = job.fingerprint().await?;
        batch.receipts.push(NewReceipt { author, edit, fingerprint, version, title });
    }
    Ok(())
}

/// One change of a job.
struct JobChange {
    change: NewChange,
    content: Content,
    lengthens: bool,
    omitted: Omitted,
}

impl JobChange {
    /// Returns a change that leaves the text as `content`.
    fn new(request: &EditRequest, kind: ChangeKind, title: &Arc<str>, content: Content) -> Self {
        let change = NewChange {
            kind,
            author: request.author,
            session: request.session,
            edit: None,
            title: Arc::clone(title),
            metadata: None,
            delta: None,
            update: None,
            takes_back: None,
            size: content.bytes(),
        };
        Self { change, content, lengthens: false, omitted: Omitted::default() }
    }

    /// Returns the change of the text.
    fn edited(request: &EditRequest, title: &Arc<str>, applied: AppliedEdit) -> Self {
        let AppliedEdit { delta, update, before, after, omitted } = applied;
        let lengthens = after.bytes() > before.bytes();
        let mut step = Self::new(request, ChangeKind::Edited, title, after);
        (step.change.delta, step.change.update) = (Some(delta), Some(update));
        step.change.takes_back = request.takes_back();
        (step.lengthens, step.omitted) = (lengthens, omitted);
        step
    }

    fn of(self, job: usize) -> StagedChange {
        let Self { change, content, lengthens, omitted } = self;
        StagedChange { job, change, content, lengthens, omitted }
    }
}

/// Rebases or merges one job and applies it to the replica. Returns its changes: none, one, or
/// two of which the first has a new title or metadata and the second a new text.
async fn stage_job(
    document: &mut TurnDocument,
    job: &Job,
    head: &Head,
    batch: &StagedBatch,
) -> Result<Vec<JobChange>, EditError> {
    let request = &job.request;
    let applied = match request.concerns_text() {
        true => rebase::apply(document, request, head, batch).await?,
        false => None,
    };
    let (mut title, mut steps) = (batch.title(head), Vec::new());
    if let EditKind::Delete = request.kind {
        steps.push(JobChange::new(request, ChangeKind::Deleted, &title, Content::default()));
    }
    let (new_title, metadata) =
        (request.new_title(&title), new_metadata(document, request, batch).await?);
    if new_title.is_some() || metadata.is_some() {
        title = new_title.unwrap_or(title);
        let content = match &applied {
            Some(applied) => applied.before.clone(),
            None => document.present_content(head, Party::User(request.author)).await?,
        };
        let mut step = JobChange::new(request, ChangeKind::Renamed, &title, content);
        step.change.metadata = metadata;
        steps.push(step);
    }
    steps.extend(applied.map(|applied| JobChange::edited(request, &title, applied)));
    // The log finds an edit by its last change, which is also what the edit is answered with.
    if let Some(last) = steps.last_mut() {
        last.change.edit = Some((job.id().clone(), job.fingerprint().await?));
    }
    Ok(steps)
}

/// Returns the metadata that a request sets, if it differs from the present one.
async fn new_metadata(
    document: &TurnDocument,
    request: &EditRequest,
    batch: &StagedBatch,
) -> Result<Option<Metadata>, EditError> {
    let EditKind::Replace { metadata: Some(wanted), .. } = &request.kind else { return Ok(None) };
    let mut staged = batch.changes.iter().rev();
    let present = match staged.find_map(|staged| staged.change.metadata.clone()) {
        Some(present) => present,
        // It may be newer than the head. Then the commit finds that out, and the edit is staged again.
        None => {
            let context = document.context();
            context.store.load_metadata(context.document).await?
        }
    };
    Ok((present != *wanted).then(|| wanted.clone()))
}
