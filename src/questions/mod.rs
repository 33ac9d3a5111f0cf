//! Questions to an application that keeps its own rules: which level does a user have on a document?
//!
//! [`Questions`] asks when a user opens a document, and again before an answer ends while they have it open. An answer is
//! stored as an entitlement that ends with it, so every check of access reads it like a grant.
//!
//! Invariants: a pair of a user and a document is asked about once at a time; a failed question is not asked again for a
//! second; without an answer nobody gets access by this way.

mod answers;
mod application;
mod options;

use std::{sync::Arc, time::Duration};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use parking_lot::Mutex;
use tokio::time::Instant;

use self::{
    answers::{AnswerTable, Known},
    application::{Application, ApplicationAnswer},
};
use crate::{
    domain::{AccessLevel, DocumentId, OutsideSubject, Party, UserId},
    fair_queue::{FairQueue, QueueBounds},
    metrics::{Metrics, QuestionOutcome},
    store::{Store, StoreError, UserAccess},
};

pub use self::options::QuestionOptions;

/// How long a question waits for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// How many questions are asked at the same time, and how many of them for one user.
const MAX_ASKED: usize = 64;
const MAX_ASKED_OF_USER: usize = 8;

/// How many questions wait for their turn, and how many of them for one user.
const MAX_WAITING: usize = 4_096;
const MAX_WAITING_OF_USER: usize = 256;

/// How long a failed question is not asked again.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// How often a question is asked whose answer is obsolete when it arrives, because the rules have changed meanwhile.
const MAX_ATTEMPTS: usize = 5;

/// How long a refusal is remembered at most. The application cannot name the users whom it has refused when its rules change.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// A question in progress. All callers that need the answer await the same future.
type Asking = Shared<BoxFuture<'static, Result<Vec<UserAccess>, StoreError>>>;

/// Asks the application, if there is one that decides. Clones share what is known.
#[derive(Clone, Default)]
pub struct Questions(Option<Arc<Asker>>);

struct Asker {
    application: Application,
    store: Store,
    metrics: Metrics,
    turns: FairQueue<Party>,
    answers: Mutex<AnswerTable<Asking>>,
}

impl Questions {
    /// Asks the application that `options` name. Without one, nobody is asked.
    ///
    /// # Errors
    /// TLS cannot be used on this machine.
    pub fn new(
        options: &QuestionOptions,
        store: Store,
        metrics: Metrics,
    ) -> Result<Self, reqwest::Error> {
        let Some(application) = Application::of(options)? else { return Ok(Self(None)) };
        let turns = FairQueue::new(QueueBounds {
            places: MAX_ASKED,
            share: MAX_ASKED_OF_USER,
            waiting_of_key: MAX_WAITING_OF_USER,
            waiting: MAX_WAITING,
        });
        let answers = Mutex::default();
        Ok(Self(Some(Arc::new(Asker { application, store, metrics, turns, answers }))))
    }

    /// Returns whether an application decides.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Asks for the level of a user on a document, unless an answer is known. `changed` gets the user's access if the answer
    /// changes it.
    ///
    /// # Errors
    /// [`StoreError::NoAnswer`], or an error of the store.
    ///
    /// # Cancel safety
    /// A question that was asked goes on when the future is dropped.
    pub async fn ask_if_due(
        &self,
        user: UserId,
        document: DocumentId,
        changed: impl FnOnce(Vec<UserAccess>) + Send + 'static,
    ) -> Result<(), StoreError> {
        let Some(asker) = &self.0 else { return Ok(()) };
        let asking = match asker.answers.lock().find((user, document), Instant::now()) {
            Known::Answered => return Ok(()),
            Known::Failed => return Err(StoreError::NoAnswer),
            Known::Asking(asking) => Some(asking),
            Known::Nothing => None,
        };
        let asking = match asking {
            Some(asking) => asking,
            None if asker.is_needless(user, document).await? => return Ok(()),
            None => asker.begin(user, document, changed),
        };
        asking.await.map(drop)
    }

    /// Forgets an answer that gave a user a higher level than `found`, which another node has replaced. Returns whether there was
    /// one.
    pub fn forget_above(
        &self,
        user: UserId,
        document: DocumentId,
        found: Option<AccessLevel>,
    ) -> bool {
        let Some(asker) = &self.0 else { return false };
        asker.answers.lock().forget_above((user, document), found)
    }

    /// Returns the users whose level on a document is being asked for.
    #[must_use]
    pub fn in_progress(&self, document: DocumentId) -> Vec<UserId> {
        self.0.as_ref().map_or_else(Vec::new, |asker| asker.answers.lock().asking_about(document))
    }

    /// Asks for the level of a user on a document now. Returns their access if the answer changes it, which `changed` gets
    /// as well, also if the future is dropped.
    ///
    /// # Errors
    /// [`StoreError::NoAnswer`], or an error of the store.
    pub async fn ask_again(
        &self,
        user: UserId,
        document: DocumentId,
        changed: impl FnOnce(Vec<UserAccess>) + Send + 'static,
    ) -> Result<Vec<UserAccess>, StoreError> {
        let Some(asker) = &self.0 else { return Ok(vec![]) };
        // One in progress may have been answered before the application has changed its rules.
        let present = asker.answers.lock().asking((user, document));
        if let Some(present) = present {
            present.await.ok();
        }
        asker.begin(user, document, changed).await
    }

    /// Asks again about the pairs whose answers end soon and that `is_open` names. `changed` gets the access that an answer
    /// changes. Returns immediately.
    pub fn renew(
        &self,
        is_open: impl Fn(UserId, DocumentId) -> bool,
        changed: impl Fn(Vec<UserAccess>) + Clone + Send + 'static,
    ) {
        let Some(asker) = &self.0 else { return };
        let due = asker.answers.lock().due(Instant::now());
        for (user, document) in due {
            if is_open(user, document) {
                drop(asker.begin(user, document, changed.clone()));
            }
        }
    }
}

impl Asker {
    /// Returns whether an answer could change nothing: the document does not exist, or the user owns it.
    async fn is_needless(&self, user: UserId, document: DocumentId) -> Result<bool, StoreError> {
        let reading = self.store.find_owner(document);
        let owner = self.store.read_for(Party::User(user), reading).await??;
        Ok(owner.is_none_or(|owner| owner == user))
    }

    /// Asks, unless the pair is being asked about.
    fn begin(
        self: &Arc<Self>,
        user: UserId,
        document: DocumentId,
        changed: impl FnOnce(Vec<UserAccess>) + Send + 'static,
    ) -> Asking {
        let mut answers = self.answers.lock();
        if let Some(asking) = answers.asking((user, document)) {
            return asking;
        }
        let asker = Arc::clone(self);
        // A write must not be dropped half-way.
        let task = tokio::spawn(async move {
            let asked = asker.ask(user, document).await;
            if let Ok(changes) = &asked
                && !changes.is_empty()
            {
                changed(changes.clone());
            }
            asked
        });
        let asker = Arc::downgrade(self);
        let asking = async move {
            let asked = task.await.unwrap_or_else(|error| Err(StoreError::internal(error)));
            if let Some(asker) = asker.upgrade() {
                let mut answers = asker.answers.lock();
                match asked {
                    Ok(_) => answers.end((user, document)),
                    Err(_) => {
                        answers.note_failure((user, document), Instant::now() + FAILED_FOR);
                    }
                }
            }
            asked
        };
        let asking = asking.boxed().shared();
        answers.begin((user, document), asking.clone());
        drop(answers);
        // It is driven to its end even if nobody waits.
        tokio::spawn(asking.clone().map(drop));
        asking
    }

    async fn ask(&self, user: UserId, document: DocumentId) -> Result<Vec<UserAccess>, StoreError> {
        let turn = self.turns.acquire_within(Party::User(user), TURN_WITHIN).await;
        let _turn = turn.map_err(|_full| StoreError::Busy)?;
        let reading = self.store.find_outside_subject(user);
        let subject = self.store.read_for(Party::User(user), reading).await??;
        for _ in 0..MAX_ATTEMPTS {
            let reading = self.store.find_rules_version(user, document);
            let found = self.store.read_for(Party::User(user), reading).await??;
            let Some(rules) = found else { return Ok(vec![]) };
            let asked_at = Instant::now();
            let ApplicationAnswer { level, life } =
                self.question(user, subject.as_ref(), document).await?;
            let answer = (level, chrono::Utc::now() + life);
            let stored = self.store.store_answer(user, document, answer, rules).await?;
            // The rules have changed since it was asked.
            let Some(changed) = stored else { continue };
            let known_for = if level.is_some() { life } else { life.min(REFUSED_FOR) };
            let mut answers = self.answers.lock();
            answers.note_answer((user, document), asked_at, known_for, level);
            return Ok(changed);
        }
        tracing::warn!(
            user.id = %user, document.id = %document,
            "the rules of the application changed while it was asked, again and again"
        );
        Err(StoreError::NoAnswer)
    }

    async fn question(
        &self,
        user: UserId,
        subject: Option<&OutsideSubject>,
        document: DocumentId,
    ) -> Result<ApplicationAnswer, StoreError> {
        let reading = self.store.list_keys([document]);
        let keys = self.store.read_for(Party::User(user), reading).await??;
        let key = keys.get(&document);
        let answered = self.application.ask(user, subject, (document, key)).await;
        let outcome =
            if answered.is_ok() { QuestionOutcome::Answered } else { QuestionOutcome::Failed };
        self.metrics.question_asked(outcome);
        answered.map_err(|error| {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                error, user.id = %user, document.id = %document,
                "could not get a level from the application"
            );
            StoreError::NoAnswer
        })
    }
}
