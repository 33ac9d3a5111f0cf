//! The operations of a session that have an id which may not be used again yet.

use std::collections::HashMap;

use actix::SpawnHandle;

use crate::{
    outbox::{InFlight, InFlightCount},
    wire::graphql_ws::OperationId,
};

/// What an operation is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Running {
    /// It is being executed.
    Executing(SpawnHandle),
    /// Its seat is being taken.
    Seating(SpawnHandle),
    /// It is told of events, until the client or the room ends it.
    Listening,
}

/// Operations by id, and how many are not answered yet.
#[derive(Debug)]
pub(super) struct Operations {
    running: HashMap<OperationId, Running>,
    in_flight: InFlightCount,
    allowed: usize,
}

impl Operations {
    /// No operations yet; at most `allowed` at a time.
    pub(super) fn new(allowed: usize) -> Self {
        Self { running: HashMap::new(), in_flight: InFlightCount::default(), allowed }
    }

    /// Counts one more operation, or none when as many as are allowed wait for their answers.
    pub(super) fn admit(&self) -> Option<InFlight> {
        // Only this session adds, so looking first is safe.
        (self.in_flight.current() < self.allowed).then(|| self.in_flight.enter())
    }

    /// What the operation with this id is doing.
    pub(super) fn find(&self, id: &OperationId) -> Option<Running> {
        self.running.get(id).copied()
    }

    /// The operation with this id is doing this now.
    pub(super) fn set(&mut self, id: OperationId, running: Running) {
        self.running.insert(id, running);
    }

    /// The id is free again.
    pub(super) fn remove(&mut self, id: &OperationId) -> Option<Running> {
        self.running.remove(id)
    }

    /// Forgets the subscriptions that the room has ended; most clients do not complete what has ended.
    pub(super) fn forget_ended(&mut self, is_listening: impl Fn(&OperationId) -> bool) {
        self.running.retain(|id, running| *running != Running::Listening || is_listening(id));
    }

    /// How many of them are subscriptions.
    pub(super) fn subscriptions(&self) -> usize {
        let all = self.running.values();
        all.filter(|running| matches!(running, Running::Seating(_) | Running::Listening)).count()
    }

    /// Whether anything is still being executed.
    pub(super) fn are_executing(&self) -> bool {
        self.running
            .values()
            .any(|running| matches!(running, Running::Executing(_) | Running::Seating(_)))
    }
}
