//! What a batch would store: each order rebased onto the head and what the batch does before it, and applied to the
//! replica.

use std::sync::Arc;

use super::{
    EditError, EditKind, StoredEdit, loader::off_thread, rebase::AppliedEdit, turn::CommitTurn,
};
use crate::{
    domain::{ChangeKind, Content, Fingerprint, UserId, Version},
    store::{Head, NewChange, NewReceipt, StoreError},
};

/// What a batch would store, and what follows once it is.
#[derive(Default)]
pub(crate) struct StagedBatch {
    pub(crate) staged: Vec<StagedChange>,
    pub(crate) receipts: Vec<NewReceipt>,
    /// What to answer to orders that store no change, if the rest is stored.
    pub(crate) verdicts: Vec<(usize, Result<StoredEdit, EditError>)>,
    /// Whose orders store nothing: they are told something all the same, so they must be allowed to.
    pub(crate) askers: Vec<UserId>,
}

/// What one order would store.
pub(crate) struct StagedChange {
    pub(crate) order: usize,
    pub(crate) change: NewChange,
    pub(crate) content: Content,
}

impl StagedBatch {
    fn answer(&mut self, index: usize, asker: UserId, answer: Result<StoredEdit, EditError>) {
        self.askers.push(asker);
        self.verdicts.push((index, answer));
    }
}

impl CommitTurn {
    /// Rebases and applies every order that is not answered yet. None when one of them took the replica with it.
    pub(crate) async fn stage(&mut self) -> Result<Option<StagedBatch>, EditError> {
        let mut staging = StagedBatch::default();
        for index in 0..self.orders.len() {
            if self.answers[index].is_some() {
                continue;
            }
            let author = self.orders[index].author;
            if let Some(answer) = self.find_repeated(index).await? {
                staging.answer(index, author, answer);
                continue;
            }
            let Some(head) = self.editing.head.clone() else {
                staging.verdicts.push((index, Err(StoreError::Denied.into())));
                continue;
            };
            match self.stage_one(index, &head, &mut staging.staged).await {
                Ok(true) => {}
                Ok(false) => self.changed_nothing(index, &head, &mut staging).await?,
                Err(error @ (EditError::Store(_) | EditError::Load(_))) => return Err(error),
                // It took the replica with it: what the others ordered is tried again without it.
                Err(error) if self.editing.replica.is_none() => {
                    self.answers[index] = Some(Err(error));
                    return Ok(None);
                }
                Err(EditError::TooMuchWork) => {
                    self.answers[index] = Some(Err(EditError::TooMuchWork));
                }
                Err(error) => staging.answer(index, author, Err(error)),
            }
        }
        Ok(Some(staging))
    }

    /// The answer to an order that was stored before: as it was answered then.
    async fn find_repeated(
        &mut self,
        index: usize,
    ) -> Result<Option<Result<StoredEdit, EditError>>, EditError> {
        let order = &self.orders[index];
        let Some(name) = &order.edit else { return Ok(None) };
        let found = self.desk.store.find_edit(order.document, order.author, name).await?;
        let Some(receipt) = found else { return Ok(None) };
        let print = self.fingerprint(index).await?;
        let is_same = receipt.fingerprint.is_none_or(|before| before == print);
        let (version, title, at) = (receipt.version, receipt.title, receipt.at);
        let stored =
            StoredEdit { version, title, at, content: None, state_vector: None, is_partial: false };
        Ok(Some(if is_same { Ok(stored) } else { Err(EditError::NameTaken) }))
    }

    /// What an order asks for, in short. Made once, and where it holds nobody up.
    async fn fingerprint(&mut self, index: usize) -> Result<Fingerprint, EditError> {
        if let Some(known) = self.prints[index] {
            return Ok(known);
        }
        let order = self.orders[index].clone();
        let print = off_thread(order.bytes(), move || order.fingerprint()).await?;
        self.prints[index] = Some(print);
        Ok(print)
    }

    /// An order of which nothing is left makes no version, but it has been accepted.
    async fn changed_nothing(
        &mut self,
        index: usize,
        head: &Head,
        staging: &mut StagedBatch,
    ) -> Result<(), EditError> {
        let version = version_after(head.version, staging.staged.len());
        let title = title_after(head, &staging.staged);
        let content = self.editing.replica.as_ref().map(|replica| replica.content().clone());
        let stored = StoredEdit {
            version,
            title: Arc::clone(&title),
            at: head.at,
            content,
            state_vector: None,
            is_partial: false,
        };
        let (author, edit) = (self.orders[index].author, self.orders[index].edit.clone());
        staging.answer(index, author, Ok(stored));
        if let Some(edit) = edit {
            let fingerprint = self.fingerprint(index).await?;
            staging.receipts.push(NewReceipt { author, edit, fingerprint, version, title });
        }
        Ok(())
    }

    /// Rebases and applies one order. False when nothing is left of it.
    async fn stage_one(
        &mut self,
        index: usize,
        head: &Head,
        staged: &mut Vec<StagedChange>,
    ) -> Result<bool, EditError> {
        let mut title = title_after(head, staged);
        let edited = if self.orders[index].is_about_text() {
            self.apply(index, head, staged).await?
        } else {
            None
        };
        let mut steps = Vec::new();
        match &self.orders[index].wish {
            EditKind::Delete => steps.push((ChangeKind::Deleted, Content::default(), None)),
            EditKind::Replace { title: Some(wanted), .. } if *wanted.as_str() != *title => {
                title = wanted.as_str().into();
                let content = match &edited {
                    Some(edited) => edited.before.clone(),
                    None => self.present_content(head).await?,
                };
                steps.push((ChangeKind::Renamed, content, None));
            }
            EditKind::Replace { .. } | EditKind::Edit { .. } | EditKind::Merge { .. } => {}
        }
        if let Some(AppliedEdit { delta, update, after, .. }) = edited {
            steps.push((ChangeKind::Edited, after, Some((delta, update))));
        }
        let count = steps.len();
        if count == 0 {
            return Ok(false);
        }
        let name = (self.names[index].clone(), self.fingerprint(index).await?);
        let order = &self.orders[index];
        for (step, (kind, content, edit)) in steps.into_iter().enumerate() {
            let (delta, update) = edit.unzip();
            let change = NewChange {
                kind,
                author: order.author,
                session: order.session,
                // An edit is found by its last change, with which it is answered.
                edit: (step + 1 == count).then(|| name.clone()),
                title: Arc::clone(&title),
                delta,
                update,
                size: content.bytes(),
            };
            staged.push(StagedChange { order: index, change, content });
        }
        Ok(true)
    }
}

fn version_after(head: Version, changes: usize) -> Version {
    Version::new(head.number() + i64::try_from(changes).unwrap_or(0))
}

fn title_after(head: &Head, staged: &[StagedChange]) -> Arc<str> {
    staged.last().map_or(&head.title, |staged| &staged.change.title).clone()
}
