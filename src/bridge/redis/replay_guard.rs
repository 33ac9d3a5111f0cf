//! Notices envelopes that were received before. Pure.
//!
//! Each node numbers its envelopes. A node receives only some of them, and not quite in order: the channels of a Redis
//! Cluster are on several servers, and the roster's scripts run in any order. So each number is taken once, and a number far
//! below the highest is refused, because it is no longer known whether it was taken.

use std::collections::HashMap;

use crate::{
    domain::NodeId,
    wire::envelope::{Serial, SerialSeries},
};

/// How far below the highest number of a series one may be. At 10,000 envelopes a second from one node, three seconds.
const WINDOW: u64 = 32_768;

/// The most nodes whose numbers are remembered, those that ended included. Each takes 8 KiB.
const MAX_NODES: usize = 512;

/// The numbers that were taken.
#[derive(Debug, Default)]
pub(super) struct ReplayGuard {
    nodes: HashMap<NodeId, NodeSerials>,
    /// The number of envelopes so far.
    taken: u64,
}

/// Whether an envelope was received before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    New,
    Repeated,
    /// It may have been received before.
    TooOld,
}

#[derive(Debug, Default)]
struct NodeSerials {
    relay: SerialWindow,
    roster: SerialWindow,
    /// [`ReplayGuard::taken`] when the last envelope arrived.
    last: u64,
}

impl ReplayGuard {
    /// Takes the serial of a verified envelope. Of a node that was unknown, any number is taken.
    pub(super) fn take(&mut self, from: NodeId, serial: Serial) -> Arrival {
        self.taken += 1;
        if self.nodes.len() >= MAX_NODES && !self.nodes.contains_key(&from) {
            self.forget_oldest();
        }
        let node = self.nodes.entry(from).or_default();
        node.last = self.taken;
        match serial.series {
            SerialSeries::Relay => node.relay.take(serial.number),
            SerialSeries::Roster => node.roster.take(serial.number),
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.nodes.iter().min_by_key(|(_, serials)| serials.last);
        if let Some(oldest) = oldest.map(|(node, _)| *node) {
            self.nodes.remove(&oldest);
        }
    }
}

/// The highest number of a series, and which of the numbers below it were taken.
#[derive(Debug)]
struct SerialWindow {
    highest: u64,
    /// One bit for each number, at its remainder by [`WINDOW`].
    taken: Box<[u64]>,
}

impl Default for SerialWindow {
    fn default() -> Self {
        Self { highest: 0, taken: vec![0; (WINDOW / 64) as usize].into() }
    }
}

impl SerialWindow {
    fn take(&mut self, number: u64) -> Arrival {
        if number > self.highest {
            self.advance(number);
        } else if self.highest - number >= WINDOW {
            return Arrival::TooOld;
        }
        let (word, bit) = place(number);
        if self.taken[word] & bit != 0 {
            return Arrival::Repeated;
        }
        self.taken[word] |= bit;
        Arrival::New
    }

    /// Moves the window up to a number. The numbers that it skips may still arrive.
    fn advance(&mut self, number: u64) {
        if number - self.highest >= WINDOW {
            self.taken.fill(0);
        } else {
            for skipped in self.highest + 1..=number {
                let (word, bit) = place(skipped);
                self.taken[word] &= !bit;
            }
        }
        self.highest = number;
    }
}

/// Returns the word and the bit of a number.
fn place(number: u64) -> (usize, u64) {
    let index = number % WINDOW;
    ((index / 64) as usize, 1 << (index % 64))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn relay(number: u64) -> Serial {
        Serial { series: SerialSeries::Relay, number }
    }

    #[test]
    fn a_number_is_taken_once_by_node_and_series() {
        let mut guard = ReplayGuard::default();
        let (one, other) = (NodeId::new(), NodeId::new());
        for number in [5, 7, 6, 1] {
            assert_eq!(guard.take(one, relay(number)), Arrival::New);
            assert_eq!(guard.take(one, relay(number)), Arrival::Repeated);
        }
        assert_eq!(guard.take(other, relay(5)), Arrival::New);
        let roster = Serial { series: SerialSeries::Roster, number: 5 };
        assert_eq!(guard.take(one, roster), Arrival::New);
        assert_eq!(guard.take(one, roster), Arrival::Repeated);
    }

    #[test]
    fn a_number_far_below_the_highest_is_too_old() {
        let mut guard = ReplayGuard::default();
        let node = NodeId::new();
        let highest = 10 * WINDOW + 3;
        assert_eq!(guard.take(node, relay(highest)), Arrival::New);
        assert_eq!(guard.take(node, relay(highest - WINDOW + 1)), Arrival::New);
        assert_eq!(guard.take(node, relay(highest - WINDOW)), Arrival::TooOld);
        assert_eq!(guard.take(node, relay(1)), Arrival::TooOld);
        assert_eq!(guard.take(node, relay(u64::MAX >> 1)), Arrival::New, "the highest there is");
    }

    #[test]
    fn nodes_that_were_quiet_longest_are_forgotten_first() {
        let mut guard = ReplayGuard::default();
        let busy = NodeId::new();
        for number in 1..=MAX_NODES as u64 + 10 {
            assert_eq!(guard.take(busy, relay(number)), Arrival::New);
            assert_eq!(guard.take(NodeId::new(), relay(1)), Arrival::New);
        }
        assert_eq!(guard.nodes.len(), MAX_NODES);
        assert_eq!(guard.take(busy, relay(1)), Arrival::Repeated);
    }

    proptest! {
        #[test]
        fn no_number_is_taken_twice_and_those_near_the_highest_are_taken(
            steps in proptest::collection::vec(-3 * i64::try_from(WINDOW).unwrap() / 2..2 * i64::try_from(WINDOW).unwrap(), 1..60),
        ) {
            let (mut guard, node) = (ReplayGuard::default(), NodeId::new());
            let (mut taken, mut highest) = (HashSet::new(), 0_u64);
            for step in steps {
                let number = highest.saturating_add_signed(step).max(1);
                let arrival = guard.take(node, relay(number));
                let expected = if number + WINDOW <= highest {
                    Arrival::TooOld
                } else if taken.insert(number) {
                    Arrival::New
                } else {
                    Arrival::Repeated
                };
                prop_assert_eq!(arrival, expected);
                highest = highest.max(number);
            }
        }
    }
}
