//! What one connection has received of the edits of its document.

use std::collections::HashMap;

use super::{change_log::Change, seats::Seat};
use crate::{
    driver::{EditorEvent, GraphqlEvent, Marker},
    measure::{Arrival, Arrivals, Board, Counts},
};

/// What one connection has received.
#[derive(Debug, Default)]
pub(crate) struct EditInbox {
    /// Its number as a sender, if it sends.
    own: Option<usize>,
    /// Whether everything from now on arrives.
    pub(crate) is_live: bool,
    /// The newest version that it knows.
    pub(crate) version: u64,
    streams: HashMap<usize, Arrivals>,
    acknowledged: Arrivals,
    has_closing: bool,
    repeated: u64,
    reordered: u64,
    misrouted: u64,
    echoed: u64,
    closed: u64,
}

impl EditInbox {
    /// Creates the inbox of a seat.
    pub(crate) fn of(seat: &Seat) -> Self {
        let streams = seat.receives.iter().map(|sender| (*sender, Arrivals::default())).collect();
        Self { own: seat.sends, version: 1, streams, ..Self::default() }
    }

    /// Returns whether this many edits of each sender have arrived.
    pub(crate) fn has_all(&self, per_sender: u64) -> bool {
        self.streams.values().all(|stream| stream.count() == per_sender)
    }

    /// Returns whether the closing mark has arrived.
    pub(crate) fn has_closing(&self) -> bool {
        self.has_closing
    }

    /// Returns the marks of its own edits that are acknowledged.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = Marker> + '_ {
        let sender = self.own.into_iter();
        sender.flat_map(|sender| {
            self.acknowledged.places().map(move |place| Marker { sender, place })
        })
    }

    /// Takes what a GraphQL client has received.
    pub(crate) fn take(&mut self, board: &Board, event: GraphqlEvent<'_>) {
        match event {
            GraphqlEvent::Event { response, .. } => self.take_change(board, response),
            GraphqlEvent::Answer { operation, refused } => {
                self.answered(board, operation, refused);
            }
            GraphqlEvent::Ended(reason) => self.end(board, reason),
            GraphqlEvent::Closed(reason) => self.end(board, &reason),
        }
    }

    /// Takes what a Yjs editor has received.
    pub(crate) fn take_yjs(&mut self, board: &Board, event: EditorEvent<'_>) {
        match event {
            EditorEvent::Synced(_) => self.is_live = true,
            EditorEvent::Update(update) => self.take_marks(board, update),
            EditorEvent::Saved(event) => self.answered(board, event, None),
            EditorEvent::Clock(_) => {}
            EditorEvent::Denied(reason) => board.failed(&reason),
            EditorEvent::Closed(reason) => self.end(board, &reason),
        }
    }

    fn end(&mut self, board: &Board, reason: &str) {
        self.closed += 1;
        board.note(reason);
    }

    fn answered(&mut self, board: &Board, event: u64, refused: Option<&str>) {
        let is_first = board.answered(event, self.own, refused);
        if let (true, Some(schedule), None) = (is_first, board.schedule(), refused) {
            self.acknowledged.add(schedule.place(event));
        }
    }

    fn take_change(&mut self, board: &Board, response: &str) {
        let Some(change) = Change::parse(response) else {
            self.misrouted += 1;
            board.note(response);
            return;
        };
        self.version = self.version.max(change.version);
        if change.kind == "RENAMED" {
            self.is_live = true;
        }
        for text in change.insertions() {
            self.take_marks(board, text.as_bytes());
        }
    }

    fn take_marks(&mut self, board: &Board, text: &[u8]) {
        Marker::find_all(text).for_each(|marker| self.take_mark(board, marker));
    }

    fn take_mark(&mut self, board: &Board, marker: Marker) {
        let Marker { sender, place } = marker;
        let is_own = self.own == Some(sender);
        let stream = self.streams.get_mut(&sender);
        if marker.is_closing() && (is_own || stream.is_some()) {
            // It comes from another connection, although it names a sender.
            self.repeated += u64::from(self.has_closing);
            self.has_closing = true;
        } else if is_own {
            self.echoed += 1;
        } else if let Some(stream) = stream.filter(|_| !marker.is_closing()) {
            match stream.add(place) {
                Arrival::Repeated => self.repeated += 1,
                arrival => {
                    self.reordered += u64::from(arrival == Arrival::Late);
                    board.delivered(sender, place);
                }
            }
        } else {
            self.misrouted += 1;
        }
    }

    /// Returns what is counted if each sender has sent this many edits.
    pub(crate) fn counts(&self, per_sender: u64) -> Counts {
        let mut counts = Counts {
            lost: u64::from(!self.has_closing),
            repeated: self.repeated,
            reordered: self.reordered,
            misrouted: self.misrouted,
            echoed: self.echoed,
            closed: self.closed,
            ..Counts::default()
        };
        for stream in self.streams.values() {
            counts.expected += per_sender;
            counts.delivered += stream.count();
            counts.lost += per_sender.saturating_sub(stream.count());
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{scenario::seats::Seats, schedule::Schedule};

    /// Returns the inbox of sender 2, which receives sender 3, and a board. Each sender has two edits.
    fn inbox() -> (EditInbox, Board) {
        let board = Board::default();
        board.begin(Schedule::plan(4, 1.0, Duration::ZERO, Duration::from_secs(2)));
        (EditInbox::of(&Seats::pairs(2, 1).0[2]), board)
    }

    #[test]
    fn a_load_without_faults_is_complete_when_the_closing_mark_arrives() {
        let (mut inbox, board) = inbox();
        inbox.take_yjs(&board, EditorEvent::Update(b"<3.0><3.1>"));
        assert!(inbox.has_all(2) && !inbox.has_closing());
        assert_eq!(inbox.counts(2).lost, 1);
        inbox.take_yjs(&board, EditorEvent::Update(Marker::closing(2).to_string().as_bytes()));
        let expected = Counts { expected: 2, delivered: 2, ..Counts::default() };
        assert_eq!(inbox.counts(2), expected);
    }

    #[test]
    fn copies_echoes_and_edits_of_others_are_found() {
        let (mut inbox, board) = inbox();
        let closing = Marker::closing(2).to_string();
        let foreign = Marker::closing(0).to_string();
        for text in ["<3.0>", "<3.0>", "<2.0>", "<0.0>", &closing, &closing, &foreign] {
            inbox.take_yjs(&board, EditorEvent::Update(text.as_bytes()));
        }
        let counts = inbox.counts(2);
        assert_eq!((counts.repeated, counts.echoed, counts.misrouted), (2, 1, 2));
    }

    #[test]
    fn the_first_answer_acknowledges_an_edit_of_this_connection_only() {
        let (mut inbox, board) = inbox();
        // Event 2 is of sender 2, event 3 of sender 3.
        for event in [2, 2, 3] {
            inbox.take_yjs(&board, EditorEvent::Saved(event));
        }
        let acknowledged: Vec<_> = inbox.acknowledged().collect();
        assert_eq!(acknowledged, [Marker { sender: 2, place: 0 }]);
        let mut counts = Counts::default();
        board.count_answers(&mut counts);
        assert_eq!((counts.answered_again, counts.misrouted, counts.unanswered), (1, 1, 7));
    }

    #[test]
    fn the_end_of_a_subscription_is_counted() {
        let (mut inbox, board) = inbox();
        inbox.take(&board, GraphqlEvent::Ended("completed"));
        inbox.take_yjs(&board, EditorEvent::Closed("closed with 1011".to_owned()));
        assert_eq!(inbox.counts(0).closed, 2);
    }
}
