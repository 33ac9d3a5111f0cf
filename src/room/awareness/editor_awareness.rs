//! The awareness state that a Yjs editor announces.

use serde_json::{Map, Value};

use crate::{domain::SessionId, editing::Selection};

/// One awareness entry as a Yjs editor sent it.
#[derive(Debug, Clone, PartialEq)]
pub struct EditorAwareness {
    /// The client id of the entry.
    pub client: u32,
    /// The state as the editor claims it. None removes the entry.
    pub state: Option<Map<String, Value>>,
    /// The selection in the state, if there is one.
    pub selection: Option<Selection>,
    /// The session in the state's identity, if it has one: clients pass on entries that they received from the room.
    pub sent_by: Option<SessionId>,
}

impl EditorAwareness {
    /// Returns the entry of an editor whose state cannot be relayed: the editor is present, and nothing else is known.
    #[must_use]
    pub fn without_state(client: u32) -> Self {
        Self { client, state: Some(Map::new()), selection: None, sent_by: None }
    }
}
