//! The operations of a session that have an id which may not be used again yet.

use std::{cell::Cell, collections::HashMap, rc::Rc};

use actix::SpawnHandle;

use crate::{
    outbox::{InFlight, InFlightCount},
    wire::graphql_ws::OperationId,
};

/// What an operation is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) enum RunningOperation {
    /// It is being executed: a query, which may be stopped at any time.
    Executing(SpawnHandle),
    /// It is being executed: a mutation, which runs to its end. Its answer is given only while this is wanted.
    Changing(Wanted),
    /// Its seat is being taken.
    Seating(SpawnHandle),
    /// It is told of events, until the client or the room ends it.
    Listening,
}

/// Whether a client still wants an answer; shared by the operation's entry and its future.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::session) struct Wanted(Rc<Cell<bool>>);

impl Wanted {
    /// It does.
    pub(in crate::session) fn new() -> Self {
        Self(Rc::new(Cell::new(true)))
    }

    /// It does not any more.
    pub(in crate::session) fn end(&self) {
        self.0.set(false);
    }

    /// Whether it does.
    pub(in crate::session) fn is_wanted(&self) -> bool {
        self.0.get()
    }
}

/// Operations by id, and how many are not answered yet.
#[derive(Debug)]
pub(in crate::session) struct InProgress {
    running: HashMap<OperationId, RunningOperation>,
    in_flight: InFlightCount,
    allowed: usize,
    /// Bytes of text and variables that operations in flight may have together.
    bytes_allowed: usize,
    /// Mutations that run on although nobody wants their answer.
    unwanted: usize,
}

impl InProgress {
    /// No operations yet; at most `allowed` at a time, which have `bytes_allowed` together.
    pub(in crate::session) fn new(allowed: usize, bytes_allowed: usize) -> Self {
        let in_flight = InFlightCount::default();
        Self { running: HashMap::new(), in_flight, allowed, bytes_allowed, unwanted: 0 }
    }

    /// Counts one more operation of so many bytes, or none when as many as are allowed wait for their answers. A
    /// single one may have any size that a message may have.
    pub(in crate::session) fn admit(&self, bytes: usize) -> Option<InFlight> {
        // Only this session adds, so looking first is safe.
        let waiting = self.in_flight.current();
        let fits = waiting == 0 || self.in_flight.bytes() + bytes <= self.bytes_allowed;
        (waiting < self.allowed && fits).then(|| self.in_flight.enter(bytes))
    }

    /// Nobody wants a mutation's answer any more; it runs on, and still counts as being executed.
    pub(in crate::session) fn disown(&mut self, wanted: &Wanted) {
        wanted.end();
        self.unwanted += 1;
    }

    /// A mutation has run to its end. Whether its answer is wanted.
    pub(in crate::session) fn changed(&mut self, id: &OperationId, wanted: &Wanted) -> bool {
        if wanted.is_wanted() {
            self.running.remove(id);
            return true;
        }
        self.unwanted -= 1;
        false
    }

    /// What the operation with this id is doing.
    pub(in crate::session) fn find(&self, id: &OperationId) -> Option<RunningOperation> {
        self.running.get(id).cloned()
    }

    /// The operation with this id is doing this now.
    pub(in crate::session) fn set(&mut self, id: OperationId, running: RunningOperation) {
        self.running.insert(id, running);
    }

    /// The id is free again.
    pub(in crate::session) fn remove(&mut self, id: &OperationId) -> Option<RunningOperation> {
        self.running.remove(id)
    }

    /// Forgets the subscriptions that the room has ended; most clients do not complete what has ended.
    pub(in crate::session) fn forget_ended(&mut self, is_listening: impl Fn(&OperationId) -> bool) {
        self.running
            .retain(|id, running| *running != RunningOperation::Listening || is_listening(id));
    }

    /// How many of them are subscriptions.
    pub(in crate::session) fn subscriptions(&self) -> usize {
        let all = self.running.values();
        all.filter(|running| {
            matches!(running, RunningOperation::Seating(_) | RunningOperation::Listening)
        })
        .count()
    }

    /// Whether anything is still being executed.
    pub(in crate::session) fn are_executing(&self) -> bool {
        self.unwanted > 0
            || self.running.values().any(|running| *running != RunningOperation::Listening)
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
        assert!(operations.admit(1).is_none(), "one large operation fills it");
        drop(large);
        let (first, second) = (operations.admit(60).unwrap(), operations.admit(40).unwrap());
        assert!(operations.admit(0).is_none(), "two are as many as are allowed");
        drop(second);
        assert!(operations.admit(41).is_none());
        drop(first);
        assert!(operations.admit(41).is_some());
    }

    #[test]
    fn a_mutation_that_nobody_waits_for_frees_its_id_and_counts_until_its_end() {
        let mut operations = InProgress::new(2, 100);
        let wanted = Wanted::new();
        operations.set(id("1"), RunningOperation::Changing(wanted.clone()));

        let Some(RunningOperation::Changing(running)) = operations.remove(&id("1")) else {
            panic!()
        };
        operations.disown(&running);
        operations.set(id("1"), RunningOperation::Listening);

        assert!(operations.are_executing());
        assert!(!operations.changed(&id("1"), &wanted));
        assert!(!operations.are_executing());
        assert_eq!(
            operations.find(&id("1")),
            Some(RunningOperation::Listening),
            "the new one is untouched"
        );
    }
}
