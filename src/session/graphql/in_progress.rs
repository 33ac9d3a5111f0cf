//! The operations of a session whose ids may not be used again yet, and the number of unanswered ones.
//!
//! A query or a pending subscription ends when its client stops it. A mutation always runs to its end, and its answer is
//! sent only if the client still wants it.

use std::{cell::Cell, collections::HashMap, rc::Rc};

use futures_util::future::AbortHandle;

use crate::{
    outbox::{InFlight, InFlightCount},
    wire::graphql_ws::OperationId,
};

/// The state of an operation.
#[derive(Debug)]
pub(in crate::session) enum RunningOperation {
    /// A query is being executed. It may be stopped at any time.
    Query(AbortHandle),
    /// A mutation is being executed.
    Mutation(Demand),
    /// A subscription waits for its seat.
    Subscribing(AbortHandle),
    /// A subscription receives events, until the client or the room ends it.
    Subscribed,
}

/// Whether a client still wants the answer to a mutation. Shared by the mutation's entry and its future.
#[derive(Debug, Clone)]
pub(in crate::session) struct Demand(Rc<Cell<bool>>);

impl Demand {
    /// Creates the demand of a client that waits for the answer.
    pub(in crate::session) fn new() -> Self {
        Self(Rc::new(Cell::new(true)))
    }

    fn end(&self) {
        self.0.set(false);
    }

    fn exists(&self) -> bool {
        self.0.get()
    }
}

/// The operations of a session by their ids.
#[derive(Debug)]
pub(in crate::session) struct InProgress {
    running: HashMap<OperationId, RunningOperation>,
    in_flight: InFlightCount,
    max_in_flight: usize,
    /// Bytes of text and variables that the operations in flight may have together.
    max_bytes: usize,
    /// Mutations that run on although their client has stopped them.
    abandoned: usize,
}

impl InProgress {
    /// Creates an empty registry that admits `max_in_flight` operations with `max_bytes` bytes in total.
    pub(in crate::session) fn new(max_in_flight: usize, max_bytes: usize) -> Self {
        let in_flight = InFlightCount::default();
        Self { running: HashMap::new(), in_flight, max_in_flight, max_bytes, abandoned: 0 }
    }

    /// Counts one more operation of `bytes` bytes. Returns `None` if too many are unanswered. A single operation may be
    /// as large as a message.
    pub(in crate::session) fn admit(&self, bytes: usize) -> Option<InFlight> {
        // Only this session adds operations, so the numbers cannot grow between the check and the entry.
        let waiting = self.in_flight.current();
        let fits = waiting == 0 || self.in_flight.bytes() + bytes <= self.max_bytes;
        (waiting < self.max_in_flight && fits).then(|| self.in_flight.enter(bytes))
    }

    /// Returns the count of operations in flight.
    pub(in crate::session) fn in_flight(&self) -> InFlightCount {
        self.in_flight.clone()
    }

    /// Returns the state of the operation with this id.
    pub(in crate::session) fn find(&self, id: &OperationId) -> Option<&RunningOperation> {
        self.running.get(id)
    }

    /// Sets the state of the operation with this id.
    pub(in crate::session) fn set(&mut self, id: OperationId, running: RunningOperation) {
        self.running.insert(id, running);
    }

    /// Frees an id whose operation has ended.
    pub(in crate::session) fn remove(&mut self, id: &OperationId) {
        self.running.remove(id);
    }

    /// Frees an id at the client's request, and stops its operation unless it is a mutation.
    pub(in crate::session) fn stop(&mut self, id: &OperationId) {
        match self.running.remove(id) {
            Some(RunningOperation::Query(running) | RunningOperation::Subscribing(running)) => {
                running.abort();
            }
            Some(RunningOperation::Mutation(demand)) => {
                demand.end();
                self.abandoned += 1;
            }
            Some(RunningOperation::Subscribed) | None => {}
        }
    }

    /// Notes that a mutation has run to its end. Returns whether its client still wants the answer.
    pub(in crate::session) fn finish_mutation(
        &mut self,
        id: &OperationId,
        demand: &Demand,
    ) -> bool {
        if demand.exists() {
            self.running.remove(id);
            return true;
        }
        // The id may name another operation by now.
        self.abandoned -= 1;
        false
    }

    /// Forgets the subscriptions that the room has ended. Most clients do not complete them.
    pub(in crate::session) fn forget_ended(&mut self, is_open: impl Fn(&OperationId) -> bool) {
        self.running.retain(|id, running| match running {
            RunningOperation::Subscribed => is_open(id),
            RunningOperation::Query(_)
            | RunningOperation::Mutation(_)
            | RunningOperation::Subscribing(_) => true,
        });
    }

    /// Returns the number of subscriptions, including those that wait for their seat.
    pub(in crate::session) fn subscriptions(&self) -> usize {
        let is_subscription = |running: &&RunningOperation| {
            matches!(running, RunningOperation::Subscribing(_) | RunningOperation::Subscribed)
        };
        self.running.values().filter(is_subscription).count()
    }

    /// Returns whether an operation is being executed.
    pub(in crate::session) fn are_executing(&self) -> bool {
        let is_executing =
            |running: &RunningOperation| !matches!(running, RunningOperation::Subscribed);
        self.abandoned > 0 || self.running.values().any(is_executing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> OperationId {
        OperationId::new(text).unwrap()
    }

    #[test]
    fn operations_are_admitted_by_number_and_by_bytes_until_they_are_answered() {
        let operations = InProgress::new(2, 100);
        let large = operations.admit(1_000).unwrap();
        assert!(operations.admit(1).is_none(), "one large operation takes all bytes");
        drop(large);
        let (first, second) = (operations.admit(60).unwrap(), operations.admit(40).unwrap());
        assert!(operations.admit(0).is_none(), "two operations are the limit");
        drop(second);
        assert!(operations.admit(41).is_none());
        drop(first);
        assert!(operations.admit(41).is_some());
    }

    #[test]
    fn a_stopped_mutation_frees_its_id_and_counts_until_it_ends() {
        let mut operations = InProgress::new(2, 100);
        let demand = Demand::new();
        operations.set(id("1"), RunningOperation::Mutation(demand.clone()));

        operations.stop(&id("1"));
        operations.set(id("1"), RunningOperation::Subscribed);

        assert!(operations.are_executing());
        assert!(!operations.finish_mutation(&id("1"), &demand));
        assert!(!operations.are_executing());
        let found = operations.find(&id("1"));
        assert!(matches!(found, Some(RunningOperation::Subscribed)), "the new operation stays");
    }

    #[test]
    fn a_stopped_query_is_aborted_and_frees_its_id() {
        let mut operations = InProgress::new(2, 100);
        let (running, _registration) = AbortHandle::new_pair();
        operations.set(id("1"), RunningOperation::Query(running.clone()));

        operations.stop(&id("1"));

        assert!(running.is_aborted());
        assert!(operations.find(&id("1")).is_none() && !operations.are_executing());
    }
}
