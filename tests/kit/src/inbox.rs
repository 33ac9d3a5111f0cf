//! What a socket received and the test has not taken yet, in order.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::sync::Notify;

use crate::{connection::Close, within};

/// A message, or the end of the connection.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A message of graphql-transport-ws.
    Message(Value),
    /// The end of the connection, with the close frame if there was one.
    Closed(Option<Close>),
}

impl Entry {
    pub(crate) fn message(&self) -> Option<&Value> {
        match self {
            Self::Message(message) => Some(message),
            Self::Closed(_) => None,
        }
    }

    pub(crate) fn into_message(self) -> Value {
        match self {
            Self::Message(message) => message,
            Self::Closed(_) => panic!("the connection ended"),
        }
    }

    /// Whether it is a message of this type.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.message().is_some_and(|message| message["type"] == kind)
    }

    /// Whether it is a message of the operation `id`.
    pub(crate) fn is_of(&self, id: &str) -> bool {
        self.message().is_some_and(|message| message["id"] == id)
    }
}

/// The entries. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Inbox(Arc<Shared>);

#[derive(Default)]
struct Shared {
    entries: Mutex<VecDeque<Entry>>,
    arrived: Notify,
}

impl Inbox {
    pub(crate) fn put(&self, entry: Entry) {
        self.0.entries.lock().unwrap().push_back(entry);
        self.0.arrived.notify_waiters();
    }

    /// Takes the first entry that is `wanted`, if it has arrived.
    pub(crate) fn take_now(&self, wanted: impl Fn(&Entry) -> bool) -> Option<Entry> {
        let mut entries = self.0.entries.lock().unwrap();
        let index = entries.iter().position(wanted)?;
        entries.remove(index)
    }

    /// Waits for the first entry that is `wanted` and leaves the others. Fails the test if the connection ends first.
    pub(crate) async fn take(&self, what: &str, wanted: impl Fn(&Entry) -> bool) -> Entry {
        let taken = async {
            loop {
                let mut arrived = pin!(self.0.arrived.notified());
                arrived.as_mut().enable();
                if let Some(entry) = self.take_now(&wanted) {
                    return entry;
                }
                let entries = self.0.entries.lock().unwrap().clone();
                let has_ended = entries.iter().any(|entry| entry.message().is_none());
                assert!(!has_ended, "{what} did not arrive before the end; received {entries:#?}");
                arrived.await;
            }
        };
        within(what, taken).await
    }

    /// The messages that the test has not taken.
    pub(crate) fn messages(&self) -> Vec<Value> {
        self.0.entries.lock().unwrap().iter().filter_map(Entry::message).cloned().collect()
    }
}
