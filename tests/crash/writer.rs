//! Somebody who writes until the server is gone.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use serde_json::{Value, json};

use crate::server::Account;

pub(crate) struct Writer {
    pub(crate) name: String,
    pub(crate) account: Account,
    pub(crate) address: SocketAddr,
    pub(crate) document: String,
    pub(crate) base: i64,
    pub(crate) edits: Arc<Mutex<HashMap<String, Option<i64>>>>,
    pub(crate) acknowledged: Arc<AtomicUsize>,
}

impl Writer {
    /// Writes one mark after the other until there is no answer.
    pub(crate) async fn run(self) {
        for number in 0.. {
            let mark = format!("{}.{number}", self.name);
            self.edits.lock().unwrap().insert(mark.clone(), None);
            let written =
                write(&self.account, self.address, &self.document, self.base, &mark).await;
            let Some(version) = written else { return };
            self.edits.lock().unwrap().insert(mark, Some(version));
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Inserts a mark at the beginning of the text, under its own name; none when there is no answer.
pub(crate) async fn write(
    account: &Account,
    address: SocketAddr,
    document: &str,
    base: i64,
    mark: &str,
) -> Option<i64> {
    let (edit, variables) = insertion(document, base, mark);
    account.ask(address, edit, variables).await?["editDocument"]["version"].as_i64()
}

/// The operation that does so, and its variables.
pub(crate) fn insertion(document: &str, base: i64, mark: &str) -> (&'static str, Value) {
    let edit = "mutation ($id: ID!, $base: Int!, $text: String!, $name: ID!) {
        editDocument(documentId: $id, baseVersion: $base, delta: [{ insert: $text }], mutationId: $name) {
            version
        }
    }";
    let text = format!("<{mark}>");
    // A name has at most 128 letters; a mark begins with what tells it apart.
    let name: String = mark.chars().take(100).collect();
    (edit, json!({ "id": document, "base": base, "text": text, "name": name }))
}
