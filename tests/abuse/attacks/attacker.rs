//! What all attacks have in common.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use coscribe::domain::{DocumentId, SessionId};
use futures_util::future::join_all;
use kit::{Client as _, Person};
use serde_json::{Value, json};

/// How large an attack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// For tests of a second, on a node in the same process.
    Small,
    /// As an attacker would do it.
    Full,
}

/// Whom and what an attack is about.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The e-mail address of the bystander.
    pub(crate) email: String,
    /// A document in which the bystander works and which the attacker may view.
    pub(crate) document: DocumentId,
}

/// A user who attacks, and what the server answered them.
#[derive(Clone)]
pub(crate) struct Attacker {
    /// The user.
    pub(crate) person: Person,
    /// Whom they attack.
    pub(crate) target: Target,
    /// The base address: `http://ADDRESS`.
    pub(crate) url: String,
    size: Size,
    outcomes: Rc<RefCell<BTreeMap<String, usize>>>,
}

impl Attacker {
    /// A user of the node at this base address.
    pub(crate) fn new(url: String, person: Person, target: Target, size: Size) -> Self {
        Self { person, target, url, size, outcomes: Rc::default() }
    }

    /// The same user, whose requests name a session.
    pub(crate) fn with_session(&self, session: SessionId) -> Self {
        Self { person: self.person.with_session(session), ..self.clone() }
    }

    /// Chooses a size.
    pub(crate) fn size(&self, small: usize, full: usize) -> usize {
        match self.size {
            Size::Small => small,
            Size::Full => full,
        }
    }

    /// What the server answered so far: error codes, statuses, and `ok`, with their numbers.
    pub(crate) fn outcomes(&self) -> BTreeMap<String, usize> {
        self.outcomes.borrow().clone()
    }

    /// Notes an answer.
    pub(crate) fn note(&self, outcome: &str) {
        *self.outcomes.borrow_mut().entry(outcome.to_owned()).or_default() += 1;
    }

    /// Runs an operation over HTTP, however long it takes, and notes its outcome.
    pub(crate) async fn ask(&self, operation: &str, variables: Value) -> Value {
        let body = json!({ "query": operation, "variables": variables });
        self.send(self.person.post().json(&body)).await
    }

    /// Sends a request, however long it takes, and notes its outcome.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Value {
        let Ok(reply) = request.send().await else {
            self.note("no answer");
            return Value::Null;
        };
        let status = reply.status().as_u16();
        let body = reply.bytes().await.unwrap_or_default();
        // A long answer is not worth reading.
        let read = if body.len() < 100_000 { serde_json::from_slice(&body).ok() } else { None };
        let answer: Value = read.unwrap_or_default();
        match answer["errors"][0]["extensions"]["code"].as_str() {
            Some(code) => self.note(code),
            None if status == 200 => self.note("ok"),
            None => self.note(&status.to_string()),
        }
        answer
    }

    /// Does something again and again, this many times at once.
    pub(crate) async fn repeat(&self, at_once: usize, work: impl AsyncFn()) {
        let forever = async || {
            loop {
                work().await;
                tokio::task::yield_now().await;
            }
        };
        join_all((0..at_once).map(|_| forever())).await;
    }

    /// Creates a document of their own.
    pub(crate) async fn create(&self, content: &str) -> DocumentId {
        self.person.create_document("Mine", content).await
    }
}

/// Selects a field under this many aliases.
pub(crate) fn aliases(count: usize, field: &str) -> String {
    (0..count).map(|number| format!("a{number}:{field} ")).collect()
}
