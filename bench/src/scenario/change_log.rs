//! What one subscriber of `documentChanged` has received, over all its connections.

use std::{collections::HashMap, ops::Range};

use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    driver::{GraphqlEvent, Marker},
    measure::{Arrival, Arrivals, Board, Counts},
};

/// The changes that one subscriber has received. Every mark must come once, and versions must follow each other.
#[derive(Debug)]
pub(crate) struct ChangeLog {
    version: u64,
    /// The senders of the document.
    senders: Range<usize>,
    arrivals: HashMap<usize, Arrivals>,
    /// Whether the closing mark has arrived.
    has_closing: bool,
    /// Marks of other documents.
    misrouted: u64,
    /// Versions that came without the one before them.
    gaps: u64,
    /// Changes that came once more.
    repeated: u64,
    /// Ends of its connection or subscription that it did not ask for.
    closed: u64,
    /// When the newest mark arrived.
    last_arrival: Option<Instant>,
}

#[derive(Deserialize)]
struct Response {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "documentChanged")]
    change: Change,
}

/// An event of `documentChanged`.
#[derive(Deserialize)]
pub(crate) struct Change {
    pub(crate) kind: String,
    pub(crate) version: u64,
    delta: Option<Vec<Step>>,
}

#[derive(Deserialize)]
struct Step {
    insert: Option<String>,
}

impl Change {
    /// Parses the GraphQL response of an event.
    pub(crate) fn parse(response: &str) -> Option<Self> {
        serde_json::from_str(response).ok().map(|Response { data }| data.change)
    }

    /// Returns the texts that the change inserted.
    pub(crate) fn insertions(&self) -> impl Iterator<Item = &str> {
        self.delta.iter().flatten().filter_map(|step| step.insert.as_deref())
    }
}

impl ChangeLog {
    /// Begins after this version of a document, which these senders edit.
    pub(crate) fn since(version: u64, senders: Range<usize>) -> Self {
        Self {
            version,
            senders,
            arrivals: HashMap::new(),
            has_closing: false,
            misrouted: 0,
            gaps: 0,
            repeated: 0,
            closed: 0,
            last_arrival: None,
        }
    }

    /// Returns the newest version that has arrived.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Returns when the newest mark arrived.
    pub(crate) fn last_arrival(&self) -> Option<Instant> {
        self.last_arrival
    }

    /// Returns whether the closing mark has arrived.
    pub(crate) fn has_closing(&self) -> bool {
        self.has_closing
    }

    /// Returns how many different marks have arrived, besides the closing one.
    pub(crate) fn count(&self) -> u64 {
        self.arrivals.values().map(Arrivals::count).sum()
    }

    /// Takes what arrived.
    pub(crate) fn take(&mut self, board: &Board, event: GraphqlEvent<'_>) {
        match event {
            GraphqlEvent::Event { response, .. } => self.take_change(board, response),
            GraphqlEvent::Answer { .. } => {}
            GraphqlEvent::Ended(reason) => self.end(board, reason),
            GraphqlEvent::Closed(reason) => self.end(board, &reason),
        }
    }

    fn end(&mut self, board: &Board, reason: &str) {
        self.closed += 1;
        board.note(reason);
    }

    /// Adds a change.
    pub(crate) fn take_change(&mut self, board: &Board, response: &str) {
        let Some(change) = Change::parse(response) else {
            board.failed(response);
            return;
        };
        if change.kind == "RESYNC" {
            // It says that changes are lost. None of them may be.
            self.gaps += 1;
            board.note("the server sent RESYNC");
        } else if change.version <= self.version {
            self.repeated += 1;
            return;
        } else if change.version > self.version + 1 {
            self.gaps += 1;
            board.note(&format!("version {} came after {}", change.version, self.version));
        }
        self.version = change.version;
        for text in change.insertions() {
            Marker::find_all(text.as_bytes()).for_each(|marker| self.take_mark(board, marker));
        }
    }

    fn take_mark(&mut self, board: &Board, marker: Marker) {
        let Marker { sender, place } = marker;
        if !self.senders.contains(&sender) {
            self.misrouted += 1;
            board.note(&format!("{marker} came to a subscriber of another document"));
        } else if marker.is_closing() {
            self.repeated += u64::from(self.has_closing);
            self.has_closing = true;
        } else if self.arrivals.entry(sender).or_default().add(place) == Arrival::Repeated {
            self.repeated += 1;
        } else {
            self.last_arrival = Some(Instant::now());
            board.delivered(sender, place);
        }
    }

    /// Returns what is counted if this many different marks and the closing one should have arrived.
    pub(crate) fn counts(&self, expected: u64) -> Counts {
        Counts {
            expected,
            delivered: self.count(),
            lost: expected.saturating_sub(self.count()) + u64::from(!self.has_closing),
            repeated: self.repeated,
            misrouted: self.misrouted,
            reordered: self.gaps,
            closed: self.closed,
            ..Counts::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(version: u64, text: &str) -> String {
        format!(
            r#"{{"data":{{"documentChanged":{{"kind":"EDITED","version":{version},"delta":[{{"insert":"{text}"}}]}}}}}}"#
        )
    }

    #[test]
    fn a_gap_and_a_repetition_are_found() {
        let (board, mut log) = (Board::default(), ChangeLog::since(1, 0..1));
        log.take_change(&board, &edited(2, "<0.0>"));
        log.take_change(&board, &edited(2, "<0.0>"));
        log.take_change(&board, &edited(4, "<0.2>"));
        log.take_change(&board, &edited(5, &Marker::closing(0).to_string()));
        let counts = log.counts(3);
        assert_eq!((counts.delivered, counts.lost), (2, 1));
        assert_eq!((counts.repeated, counts.reordered, counts.misrouted), (1, 1, 0));
        assert_eq!(log.version(), 5);
    }

    #[test]
    fn an_edit_of_another_document_is_misrouted() {
        let (board, mut log) = (Board::default(), ChangeLog::since(1, 2..4));
        log.take_change(&board, &edited(2, "<3.0>"));
        log.take_change(&board, &edited(3, "<4.0>"));
        log.take_change(&board, &edited(4, &Marker::closing(1).to_string()));
        let counts = log.counts(1);
        assert_eq!((counts.delivered, counts.misrouted), (1, 2));
        // The closing mark of the other document is not that of this one.
        assert!(!log.has_closing() && counts.lost == 1);
    }

    #[test]
    fn the_end_of_a_subscription_is_counted() {
        let (board, mut log) = (Board::default(), ChangeLog::since(1, 0..1));
        log.take(&board, GraphqlEvent::Ended("completed"));
        log.take(&board, GraphqlEvent::Closed("closed with 1011".to_owned()));
        assert_eq!(log.counts(0).closed, 2);
    }
}
