//! What a socket has heard and nobody has asked for yet, in order.

use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use tokio::sync::Notify;

use super::within;

/// Something that came over a socket.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    /// A message of graphql-transport-ws.
    Message(Value),
    /// The end of the connection, with code and reason if there was a close frame.
    Closed(Option<(u16, String)>),
}

impl Heard {
    pub(super) fn message(&self) -> Option<&Value> {
        match self {
            Self::Message(message) => Some(message),
            Self::Closed(_) => None,
        }
    }

    pub(super) fn into_message(self) -> Value {
        match self {
            Self::Message(message) => message,
            Self::Closed(_) => panic!("the connection ended"),
        }
    }

    /// Whether it is a message of this type.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.message().is_some_and(|message| message["type"] == kind)
    }

    /// Whether it is a message of the operation `id`.
    pub(super) fn is_of(&self, id: &str) -> bool {
        self.message().is_some_and(|message| message["id"] == id)
    }
}

/// What was heard. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Inbox(Arc<Shared>);

#[derive(Default)]
struct Shared {
    heard: Mutex<VecDeque<Heard>>,
    arrived: Notify,
}

impl Inbox {
    pub(super) fn put(&self, heard: Heard) {
        self.0.heard.lock().unwrap().push_back(heard);
        self.0.arrived.notify_waiters();
    }

    /// Takes the first thing that is `wanted`, if it is there.
    pub(super) fn take_now(&self, wanted: impl Fn(&Heard) -> bool) -> Option<Heard> {
        let mut heard = self.0.heard.lock().unwrap();
        let index = heard.iter().position(wanted)?;
        heard.remove(index)
    }

    /// Waits for the first thing that is `wanted`. What else comes stays. Fails when the connection ends first.
    pub(super) async fn take(&self, what: &str, wanted: impl Fn(&Heard) -> bool) -> Heard {
        let taken = async {
            loop {
                let mut arrived = pin!(self.0.arrived.notified());
                arrived.as_mut().enable();
                if let Some(heard) = self.take_now(&wanted) {
                    return heard;
                }
                let heard = self.0.heard.lock().unwrap().clone();
                let over = heard.iter().any(|heard| heard.message().is_none());
                assert!(!over, "{what} did not come before the end; there was {heard:#?}");
                arrived.await;
            }
        };
        within(what, taken).await
    }

    /// The messages that nobody asked for.
    pub(super) fn messages(&self) -> Vec<Value> {
        self.0.heard.lock().unwrap().iter().filter_map(Heard::message).cloned().collect()
    }
}
