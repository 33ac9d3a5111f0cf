//! An author who writes over HTTP until the node dies.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use coscribe::domain::DocumentId;
use kit::{Answer, Person};
use serde_json::json;

/// The version that each edit made, by its mark; `None` while the edit is not acknowledged.
pub(crate) type Edits = Arc<Mutex<HashMap<String, Option<i64>>>>;

pub(crate) struct Author {
    pub(crate) name: String,
    pub(crate) person: Person,
    pub(crate) document: DocumentId,
    /// The base version of the edits.
    pub(crate) base: i64,
    pub(crate) edits: Edits,
    /// The number of acknowledged edits of all authors.
    pub(crate) acknowledged: Arc<AtomicUsize>,
}

impl Author {
    /// Writes one mark after another until the node does not answer.
    pub(crate) async fn write_until_the_node_dies(self) {
        for number in 0.. {
            let mark = format!("{}.{number}", self.name);
            self.edits.lock().unwrap().insert(mark.clone(), None);
            let answer = try_write(&self.person, self.document, self.base, &mark).await;
            let Some(answer) = answer else { return };
            self.edits.lock().unwrap().insert(mark, Some(version(answer)));
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Inserts a mark at the beginning of the text, with the mark as `mutationId`. `None` if the node does not answer.
pub(crate) async fn try_write(
    person: &Person,
    document: DocumentId,
    base: i64,
    mark: &str,
) -> Option<Answer> {
    let edit = "mutation ($id: ID!, $base: Int!, $text: String!, $name: ID!) {
        editDocument(documentId: $id, baseVersion: $base, delta: [{ insert: $text }], mutationId: $name)
        { version } }";
    // A `mutationId` has at most 128 characters; marks differ in the first few.
    let name: String = mark.chars().take(100).collect();
    let text = format!("<{mark}>");
    let variables = json!({ "id": document, "base": base, "text": text, "name": name });
    person.try_run(edit, variables).await
}

/// The version that an accepted edit made.
pub(crate) fn version(answer: Answer) -> i64 {
    answer.value()["version"].as_i64().unwrap()
}
