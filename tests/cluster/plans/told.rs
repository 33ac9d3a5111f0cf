//! What a subscriber has been told about the presence and the cursors of others, since it subscribed.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

/// The events that a subscriber has received, with their rules: the arrivals and departures of a session alternate, and no
/// cursor of a session follows its departure.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Whether the last event of a session was its arrival.
    has_joined: HashMap<String, bool>,
    /// The sessions whose cursor was received.
    moved: HashSet<String>,
}

impl Told {
    /// Takes the event of `presenceUpdated`.
    pub(super) fn change_presence(&mut self, event: &Value) {
        let has_joined = event["kind"] == "JOINED";
        let session = event["presence"]["sessionId"].as_str().unwrap();
        let before = self.has_joined.insert(session.to_owned(), has_joined);
        assert_ne!(before, Some(has_joined), "arrivals and departures alternate: {event}");
    }

    /// Takes the event of `cursorMoved`.
    pub(super) fn move_cursor(&mut self, event: &Value) {
        let session = event["sessionId"].as_str().unwrap();
        assert_ne!(self.has_joined.get(session), Some(&false), "a cursor of a ghost: {event}");
        self.moved.insert(session.to_owned());
    }

    /// Whether the session's last event was its arrival, or its departure. `None` if there was no event.
    pub(super) fn has_joined(&self, session: &str) -> Option<bool> {
        self.has_joined.get(session).copied()
    }

    /// Whether a cursor of the session was received.
    pub(super) fn has_moved(&self, session: &str) -> bool {
        self.moved.contains(session)
    }

    /// Whether every session that has joined is one of `present`, and none that has left.
    pub(super) fn agrees_with(&self, present: &[Value]) -> bool {
        let is_present = |session: &str| present.iter().any(|entry| entry == session);
        self.has_joined.iter().all(|(session, has_joined)| is_present(session) == *has_joined)
    }
}
