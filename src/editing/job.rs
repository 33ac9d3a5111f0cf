//! One edit of a commit turn, and its answer.

use tokio::sync::OnceCell;

use super::{
    EditError, EditRequest, LoadError, StoredEdit, loader::off_thread, queue::QueuedEdit,
    queue::Reply,
};
use crate::domain::{EditId, Fingerprint, Origin};

/// The answer to an edit.
pub(crate) type Answer = Result<StoredEdit, EditError>;

/// An edit that a commit turn works on.
pub(super) struct Job {
    pub(super) request: EditRequest,
    /// The name under which the log has the edit once it is stored: the client's, or one made here.
    id: EditId,
    /// Whether the log may have the edit already: its client named it, or a commit of it had an unknown outcome.
    may_be_stored: bool,
    fingerprint: OnceCell<Fingerprint>,
    answer: Option<Answer>,
    reply: Reply,
}

impl Job {
    pub(super) fn new(QueuedEdit { request, reply }: QueuedEdit) -> Self {
        let (name, may_be_stored) = (request.name.clone(), request.name.is_some());
        Self {
            id: name.unwrap_or_else(EditId::unique),
            may_be_stored,
            fingerprint: OnceCell::new(),
            answer: None,
            request,
            reply,
        }
    }

    /// Returns the name of the edit in the log.
    pub(super) fn id(&self) -> &EditId {
        &self.id
    }

    /// Returns the name under which to look for the edit in the log before it is applied, and to remember an edit that changes
    /// nothing.
    pub(super) fn stored_name(&self) -> Option<&EditId> {
        self.may_be_stored.then_some(&self.id)
    }

    /// Has the next attempt look for the edit in the log, because a commit of it had an unknown outcome.
    pub(super) fn expect_stored(&mut self) {
        self.may_be_stored = true;
    }

    /// Returns the digest of the request. It is computed once, off the actor's thread if the request is large.
    pub(super) async fn fingerprint(&self) -> Result<Fingerprint, LoadError> {
        let compute = || {
            let request = self.request.clone();
            off_thread(request.bytes(), move || request.fingerprint())
        };
        self.fingerprint.get_or_try_init(compute).await.copied()
    }

    /// Whether the edit has no answer yet.
    pub(super) fn is_open(&self) -> bool {
        self.answer.is_none()
    }

    /// Returns the origin of the edit if it is not known whether the edit is stored.
    pub(super) fn doubtful_origin(&self) -> Option<Origin> {
        let is_doubtful = matches!(self.answer, Some(Err(EditError::Unknown)));
        let EditRequest { author, session, .. } = self.request;
        is_doubtful.then_some(Origin { user: author, session })
    }

    /// Returns the result of the edit if it is stored.
    pub(super) fn stored_mut(&mut self) -> Option<&mut StoredEdit> {
        self.answer.as_mut()?.as_mut().ok()
    }

    /// Answers the edit. A later answer replaces an earlier one: an edit of two changes is answered with the last.
    pub(super) fn answer(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    /// Answers the edit unless it has an answer.
    pub(super) fn answer_if_open(&mut self, answer: impl FnOnce() -> Answer) {
        self.answer.get_or_insert_with(answer);
    }

    /// Ends the job. An edit without an answer has been overtaken in every attempt.
    pub(super) fn finish(self) -> (Reply, Answer) {
        (self.reply, self.answer.unwrap_or(Err(EditError::Overtaken)))
    }
}
