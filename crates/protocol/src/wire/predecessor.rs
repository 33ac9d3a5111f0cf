//! The older connection of the same client that a new connection names, so that the server ends it.

use serde_json::{Map, Value};

use crate::domain::{DocumentId, SessionId};

/// The key of the session id in the payload of `connection_init`.
const KEY: &str = "replaces";

/// A connection as its successor names it. Only a connection of the same user can be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Predecessor {
    /// The session with this id.
    Session(SessionId),
    /// The session of the Yjs client with this id on this document.
    Editor {
        /// The document.
        document: DocumentId,
        /// The client id of its Yjs document.
        client: u64,
    },
}

impl Predecessor {
    /// Returns the predecessor in the payload of `connection_init`. Ignores a value that is not the id of a session.
    #[must_use]
    pub fn in_init(payload: &Map<String, Value>) -> Option<Self> {
        payload.get(KEY)?.as_str()?.parse().ok().map(Self::Session)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn connection_init_may_name_a_session() {
        let id = SessionId::new();
        let named = |value: Value| {
            let payload = json!({ "replaces": value });
            payload.as_object().and_then(Predecessor::in_init)
        };
        assert_eq!(named(json!(id)), Some(Predecessor::Session(id)));
        for other in [json!(null), json!(7), json!(""), json!("yes"), json!([id])] {
            assert_eq!(named(other), None);
        }
    }
}
