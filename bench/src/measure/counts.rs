//! What is counted in a run, and what must be zero.

use serde::Serialize;

/// Counts of a whole run, its warm-up included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Counts {
    /// Events that were sent.
    pub(crate) sent: u64,
    /// Deliveries that these should have caused.
    pub(crate) expected: u64,
    /// Deliveries that came, each counted once.
    pub(crate) delivered: u64,
    /// Deliveries that did not come and may not be left out.
    pub(crate) lost: u64,
    /// Deliveries that did not come because a newer one replaced them, as the protocol allows for cursors.
    pub(crate) replaced: u64,
    /// Deliveries that came once more.
    pub(crate) repeated: u64,
    /// Deliveries that came after a later one of the same sender.
    pub(crate) reordered: u64,
    /// Deliveries that came to a connection which must not get them.
    pub(crate) misrouted: u64,
    /// Events that came back to the connection that sent them.
    pub(crate) echoed: u64,
    /// Operations that the server refused.
    pub(crate) refused: u64,
    /// Operations that were not answered.
    pub(crate) unanswered: u64,
    /// Answers to operations that had been answered before.
    pub(crate) answered_again: u64,
    /// Connections and subscriptions that ended before the run did.
    pub(crate) closed: u64,
}

/// How the order of deliveries is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// Everything arrives once. The order among the events of one sender is not judged.
    Once,
    /// Everything arrives once, and in order.
    OnceInOrder,
}

impl Counts {
    /// Adds the counts of a part.
    pub(crate) fn add(&mut self, part: &Self) {
        self.sent += part.sent;
        self.expected += part.expected;
        self.delivered += part.delivered;
        self.lost += part.lost;
        self.replaced += part.replaced;
        self.repeated += part.repeated;
        self.reordered += part.reordered;
        self.misrouted += part.misrouted;
        self.echoed += part.echoed;
        self.refused += part.refused;
        self.unanswered += part.unanswered;
        self.answered_again += part.answered_again;
        self.closed += part.closed;
    }

    /// Returns all counts with their names.
    pub(crate) fn named(&self) -> [(&'static str, u64); 13] {
        [
            ("sent", self.sent),
            ("expected", self.expected),
            ("delivered", self.delivered),
            ("lost", self.lost),
            ("replaced", self.replaced),
            ("repeated", self.repeated),
            ("reordered", self.reordered),
            ("misrouted", self.misrouted),
            ("echoed", self.echoed),
            ("refused", self.refused),
            ("unanswered", self.unanswered),
            ("answered again", self.answered_again),
            ("closed", self.closed),
        ]
    }

    /// Returns a sentence for each promise that the server broke.
    pub(crate) fn failures(&self, promise: Promise) -> Vec<String> {
        let mut failures = vec![];
        let mut check = |count: u64, one: &str, several: &str| match count {
            0 => {}
            1 => failures.push(format!("1 {one}.")),
            _ => failures.push(format!("{count} {several}.")),
        };
        check(self.lost, "delivery is missing", "deliveries are missing");
        check(self.repeated, "delivery was repeated", "deliveries were repeated");
        check(
            self.misrouted,
            "delivery came to a connection that must not get it",
            "deliveries came to connections that must not get them",
        );
        check(self.echoed, "event came back to its sender", "events came back to their senders");
        check(self.refused, "operation was refused", "operations were refused");
        check(self.unanswered, "operation was not answered", "operations were not answered");
        check(
            self.answered_again,
            "operation was answered again",
            "operations were answered again",
        );
        check(
            self.closed,
            "connection or subscription was ended by the server",
            "connections or subscriptions were ended by the server",
        );
        if promise == Promise::OnceInOrder {
            check(
                self.reordered,
                "delivery came after a later one",
                "deliveries came after a later one",
            );
        }
        failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_faults_breaks_no_promise() {
        let counts =
            Counts { sent: 5, expected: 5, delivered: 4, replaced: 1, ..Counts::default() };
        assert!(counts.failures(Promise::OnceInOrder).is_empty());
    }

    #[test]
    fn the_order_is_judged_only_where_it_is_promised() {
        let counts = Counts { reordered: 2, ..Counts::default() };
        assert!(counts.failures(Promise::Once).is_empty());
        assert_eq!(counts.failures(Promise::OnceInOrder).len(), 1);
    }
}
