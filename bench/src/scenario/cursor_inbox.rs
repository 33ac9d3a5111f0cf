//! What one connection has received of the cursors of its document.

use std::{collections::HashMap, ops::Range};

use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    measure::{Arrival, Arrivals, Board, Counts},
    schedule::Schedule,
};

/// The column of moves that only show that the subscriptions work.
pub(crate) const PROBE: u64 = 1_000_000_000;

/// The column of the last move of each sender.
pub(crate) const LAST: u64 = PROBE + 1;

/// The column of closing moves, whose lines are the numbers of connections.
pub(crate) const CLOSING: u64 = PROBE + 2;

/// What one connection has received.
#[derive(Debug, Default)]
pub(crate) struct CursorInbox {
    /// The number of the connection.
    number: usize,
    /// Its number as a sender, if it sends.
    own: Option<usize>,
    streams: HashMap<usize, Stream>,
    /// The connections whose closing moves must arrive, and whether they have.
    closings: HashMap<usize, bool>,
    repeated: u64,
    reordered: u64,
    misrouted: u64,
    echoed: u64,
    closed: u64,
}

#[derive(Debug, Default)]
struct Stream {
    arrivals: Arrivals,
    /// Moves instead of which a newer one arrived.
    replaced: u64,
    has_probe: bool,
    has_last: bool,
}

#[derive(Deserialize)]
struct Response {
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "cursorMoved")]
    moved: Move,
}

#[derive(Deserialize)]
struct Move {
    cursor: Position,
}

#[derive(Deserialize)]
struct Position {
    line: usize,
    column: u64,
}

impl CursorInbox {
    /// Creates the inbox of a connection, which receives from these senders and these closing connections.
    pub(crate) fn new(
        (number, own): (usize, Option<usize>),
        senders: &[usize],
        closers: impl Iterator<Item = usize>,
    ) -> Self {
        let streams = senders.iter().map(|sender| (*sender, Stream::default())).collect();
        let closings = closers.map(|closer| (closer, false)).collect();
        Self { number, own, streams, closings, ..Self::default() }
    }

    /// Returns its number as a sender, if it sends.
    pub(crate) fn own(&self) -> Option<usize> {
        self.own
    }

    /// Returns whether a probe of each sender has arrived.
    pub(crate) fn has_probes(&self) -> bool {
        self.streams.values().all(|stream| stream.has_probe)
    }

    /// Returns whether the last move of each sender has arrived.
    pub(crate) fn has_last(&self) -> bool {
        self.streams.values().all(|stream| stream.has_last)
    }

    /// Returns whether all closing moves have arrived.
    pub(crate) fn has_closings(&self) -> bool {
        self.closings.values().all(|has_arrived| *has_arrived)
    }

    /// Notes that the server has ended the connection or a subscription.
    pub(crate) fn end(&mut self, board: &Board, reason: &str) {
        self.closed += 1;
        board.note(reason);
    }

    /// Adds an event of the subscription.
    pub(crate) fn take(&mut self, board: &Board, response: &str) {
        let Ok(Response { data }) = serde_json::from_str(response) else {
            self.misrouted += 1;
            board.note(response);
            return;
        };
        let Position { line, column } = data.moved.cursor;
        if column == CLOSING {
            self.take_closing(line);
        } else if self.own == Some(line) {
            self.echoed += 1;
        } else if let Some(stream) = self.streams.get_mut(&line) {
            match column {
                PROBE => stream.has_probe = true,
                LAST if stream.has_last => self.repeated += 1,
                LAST => {
                    stream.has_last = true;
                    let end = board.schedule().map_or(0, Schedule::per_sender);
                    stream.skip_to(board, line, end);
                }
                place => match stream.take(board, line, place) {
                    Arrival::New => {}
                    Arrival::Late => self.reordered += 1,
                    Arrival::Repeated => self.repeated += 1,
                },
            }
        } else {
            self.misrouted += 1;
        }
    }

    fn take_closing(&mut self, number: usize) {
        match self.closings.get_mut(&number) {
            _ if number == self.number => self.echoed += 1,
            None => self.misrouted += 1,
            Some(true) => self.repeated += 1,
            Some(has_arrived) => *has_arrived = true,
        }
    }

    /// Returns what is counted. `per_sender` is how often each sender has moved by the schedule.
    pub(crate) fn counts(&self, per_sender: u64) -> Counts {
        let mut counts = Counts {
            lost: self.closings.values().filter(|has_arrived| !**has_arrived).count() as u64,
            repeated: self.repeated,
            reordered: self.reordered,
            misrouted: self.misrouted,
            echoed: self.echoed,
            closed: self.closed,
            ..Counts::default()
        };
        for stream in self.streams.values() {
            let delivered = stream.arrivals.count();
            counts.expected += per_sender;
            counts.delivered += delivered;
            counts.replaced += stream.replaced;
            counts.lost += per_sender.saturating_sub(delivered + stream.replaced);
            counts.lost += u64::from(!stream.has_last);
        }
        counts
    }
}

impl Stream {
    /// Adds a move of the schedule.
    fn take(&mut self, board: &Board, sender: usize, place: u64) -> Arrival {
        let next = self.arrivals.next();
        match self.arrivals.add(place) {
            Arrival::Repeated => Arrival::Repeated,
            Arrival::New if !self.has_last => {
                self.replace(board, sender, next..place);
                board.delivered(sender, place);
                Arrival::New
            }
            // Its latency ended when the newer one arrived.
            Arrival::New | Arrival::Late => {
                self.replaced = self.replaced.saturating_sub(1);
                board.arrived(Instant::now());
                Arrival::Late
            }
        }
    }

    /// Notes that everything before a place that has not arrived is replaced.
    fn skip_to(&mut self, board: &Board, sender: usize, end: u64) {
        self.replace(board, sender, self.arrivals.next()..end);
    }

    fn replace(&mut self, board: &Board, sender: usize, places: Range<u64>) {
        for place in places {
            self.replaced += 1;
            board.replaced(sender, place);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Returns the inbox of connection 5, which is sender 1 and receives sender 0, and a board. Each sender has ten moves.
    fn inbox() -> (CursorInbox, Board) {
        let board = Board::default();
        board.begin(Schedule::plan(2, 1.0, Duration::ZERO, Duration::from_secs(10)));
        (CursorInbox::new((5, Some(1)), &[0], [4].into_iter()), board)
    }

    fn moved(line: usize, column: u64) -> String {
        format!(r#"{{"data":{{"cursorMoved":{{"cursor":{{"line":{line},"column":{column}}}}}}}}}"#)
    }

    #[test]
    fn a_replaced_move_has_the_latency_until_the_newer_one() {
        let (mut inbox, board) = inbox();
        inbox.take(&board, &moved(0, 0));
        assert_eq!(board.deliveries().count(), 1);
        inbox.take(&board, &moved(0, 4));
        assert_eq!(board.deliveries().count(), 5);
        inbox.take(&board, &moved(0, LAST));
        assert_eq!(board.deliveries().count(), 10);
        inbox.take(&board, &moved(4, CLOSING));
        let counts = inbox.counts(10);
        assert_eq!((counts.delivered, counts.replaced, counts.lost), (2, 8, 0));
    }

    #[test]
    fn a_move_that_arrives_after_a_newer_one_was_not_replaced() {
        let (mut inbox, board) = inbox();
        for column in [2, 1, LAST, 7] {
            inbox.take(&board, &moved(0, column));
        }
        let counts = inbox.counts(10);
        assert_eq!((counts.delivered, counts.replaced, counts.reordered), (3, 7, 2));
        // One latency for each.
        assert_eq!(board.deliveries().count(), 10);
    }

    #[test]
    fn moves_without_a_last_one_are_lost() {
        let (mut inbox, board) = inbox();
        inbox.take(&board, &moved(0, 1));
        // Eight moves, the last one, and the closing one.
        assert_eq!(inbox.counts(10).lost, 10);
        assert!(!inbox.has_last() && !inbox.has_closings());
    }

    #[test]
    fn copies_echoes_and_moves_of_others_are_found() {
        let (mut inbox, board) = inbox();
        for (line, column) in [(0, 0), (0, 0), (0, LAST), (0, LAST), (4, CLOSING), (4, CLOSING)] {
            inbox.take(&board, &moved(line, column));
        }
        inbox.take(&board, &moved(1, 3));
        inbox.take(&board, &moved(5, CLOSING));
        inbox.take(&board, &moved(7, 3));
        inbox.take(&board, &moved(8, CLOSING));
        inbox.take(&board, "{}");
        let counts = inbox.counts(10);
        assert_eq!((counts.repeated, counts.echoed, counts.misrouted), (3, 2, 3));
    }
}
