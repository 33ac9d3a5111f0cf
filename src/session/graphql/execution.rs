//! The operations of an admitted client: started, answered, stopped.
//!
//! An operation is polled once when it starts, since most are ready at once. Only one that must wait becomes a future of
//! the session's actor. Operations that do not fit beside those in flight wait, unparsed, until an answer has left.

use std::{convert::identity, sync::Arc, task::Poll};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{AbortHandle, Abortable, Aborted, LocalBoxFuture},
};

use super::{
    in_progress::{Demand, InProgress, RunningOperation},
    port::{Operation, OperationResponse, Preparation},
    protocol::GraphQlCompletion,
    waiting_operations::{WaitingOperation, WaitingOperations},
};
use crate::{
    domain::{Party, UserId},
    memory::Reservation,
    metrics::{GaugeGuard, OperationKind},
    outbox::{InFlight, OutboxFrame},
    room::Subscription,
    session::{
        SessionLink, SessionParts, Throttled, cost_of_operation,
        protocol::{Completion, ProtocolEffect, SessionView, poll_once},
    },
    wire::{
        CloseReason, ErrorCode,
        graphql_ws::{self, OperationId, ServerMessage, SubscribePayload},
    },
};

/// The longest response that is copied into its frame. A longer one is a part of the frame.
const MAX_COPIED_BYTES: usize = 16 * 1024;

/// Runs the operations of an admitted client.
pub(super) struct Execution {
    parts: Arc<SessionParts>,
    link: Arc<SessionLink>,
    operations: InProgress,
    waiting: WaitingOperations<QueuedOperation>,
    /// Whether the session awaits the end of an operation in flight, so that one that waits may start.
    awaits_capacity: bool,
}

/// An operation that waits for others to be answered.
struct QueuedOperation {
    operation: NewOperation,
    _counted: GaugeGuard,
}

/// An operation that a client asks for.
pub(super) struct NewOperation {
    pub(super) payload: SubscribePayload,
    /// The size of its message, in bytes.
    pub(super) bytes: usize,
    /// The memory of a large message.
    pub(super) held: Option<Reservation>,
}

/// How an operation starts.
pub(super) enum StartedOperation {
    /// It has, or was refused.
    Begun(ProtocolEffect),
    /// Its text is long and is parsed later. Until [`Execution::begin`], no other message of the client is handled.
    Parsing(LocalBoxFuture<'static, ReadyOperation>),
    /// It waits for others to be answered, which the session has to await unless it does so already.
    Waiting(Option<ProtocolEffect>),
}

/// An operation that is parsed, or was refused.
pub(in crate::session) struct ReadyOperation {
    id: OperationId,
    prepared: Preparation,
    in_flight: InFlight,
}

/// The result of an operation that had to wait.
pub(in crate::session) enum OperationCompletion {
    /// A query has its answer.
    Answered { id: OperationId, response: OperationResponse, in_flight: InFlight },
    /// A mutation has its answer.
    Committed { id: OperationId, response: OperationResponse, in_flight: InFlight, demand: Demand },
    /// A subscription has its seat, or was refused with a list of GraphQL errors.
    Subscribed { id: OperationId, seat: Result<Subscription, Bytes>, in_flight: InFlight },
    /// The client stopped the operation.
    Stopped,
}

impl Execution {
    /// Creates the execution of a client that has just been admitted.
    pub(super) fn new(parts: Arc<SessionParts>, link: Arc<SessionLink>) -> Self {
        let limits = &parts.limits;
        let operations = InProgress::new(limits.operations_in_flight, limits.message);
        let waiting = WaitingOperations::new(limits.operations_waiting);
        Self { parts, link, operations, waiting, awaits_capacity: false }
    }

    /// Returns the session.
    pub(super) fn link(&self) -> &SessionLink {
        &self.link
    }

    /// Returns the session's user.
    pub(super) fn user(&self) -> UserId {
        self.link.user().id
    }

    /// Starts an operation, lets it wait until others are answered, or refuses it.
    pub(super) fn start(
        &mut self,
        id: OperationId,
        operation: NewOperation,
        view: &SessionView,
    ) -> StartedOperation {
        if self.is_active(&id) {
            return StartedOperation::Begun(ProtocolEffect::Close(CloseReason::DuplicateId(id)));
        }
        if let Err((code, message)) = self.check(&operation, view) {
            return refused(&id, code, &message);
        }
        if self.waiting.is_empty()
            && let Some(in_flight) = self.operations.admit(operation.bytes)
        {
            return self.prepare(id, operation, in_flight);
        }
        self.queue(id, operation)
    }

    /// Starts the operation that has waited longest, if there is one and it fits beside those in flight.
    pub(super) fn start_next(&mut self) -> Option<StartedOperation> {
        let in_flight = self.operations.admit(self.waiting.first_bytes()?)?;
        let WaitingOperation { id, operation: queued, .. } = self.waiting.pop()?;
        Some(self.prepare(id, queued.operation, in_flight))
    }

    /// Returns the effect of waiting until an operation in flight has ended, if others wait for that and the session does not
    /// await it yet.
    pub(super) fn await_capacity(&mut self) -> Option<ProtocolEffect> {
        if self.waiting.is_empty() || self.awaits_capacity {
            return None;
        }
        self.awaits_capacity = true;
        let in_flight = self.operations.in_flight();
        let freed = async move {
            in_flight.freed().await;
            Completion::GraphQl(GraphQlCompletion::CapacityFreed)
        };
        Some(ProtocolEffect::Await(freed.boxed_local()))
    }

    /// Notes that an operation in flight has ended.
    pub(super) fn capacity_freed(&mut self) {
        self.awaits_capacity = false;
    }

    /// Lets an operation wait, or refuses it.
    fn queue(&mut self, id: OperationId, operation: NewOperation) -> StartedOperation {
        let (bytes, is_reserved) = (operation.bytes, operation.held.is_some());
        let operation =
            QueuedOperation { operation, _counted: self.parts.metrics.operation_waits() };
        match self.waiting.push(WaitingOperation { id, bytes, is_reserved, operation }) {
            Ok(()) => StartedOperation::Waiting(self.await_capacity()),
            Err(id) => {
                let limits = &self.parts.limits;
                let message = format!(
                    "This connection has {} unanswered operations, or {} bytes of them, and as many more as may wait ({}). Wait for an answer and try again.",
                    limits.operations_in_flight, limits.message, limits.operations_waiting
                );
                refused(&id, ErrorCode::RateLimited, &message)
            }
        }
    }

    /// Parses an operation that is in flight from now on, and begins it if that is done at once.
    fn prepare(
        &mut self,
        id: OperationId,
        NewOperation { payload, bytes: _counted, held }: NewOperation,
        in_flight: InFlight,
    ) -> StartedOperation {
        let party = Party::User(self.user());
        let mut preparing = self.parts.execute.prepare(party, payload, held);
        if let Poll::Ready(prepared) = poll_once(&mut preparing) {
            return StartedOperation::Begun(self.begin(ReadyOperation { id, prepared, in_flight }));
        }
        let parsing = async move {
            let prepared = preparing.await;
            ReadyOperation { id, prepared, in_flight }
        };
        StartedOperation::Parsing(parsing.boxed_local())
    }

    /// Runs an operation that is parsed, or refuses it.
    pub(super) fn begin(
        &mut self,
        ReadyOperation { id, prepared, in_flight }: ReadyOperation,
    ) -> ProtocolEffect {
        match prepared {
            Ok(operation) if operation.kind() == OperationKind::Subscription => {
                self.subscribe(id, operation, in_flight)
            }
            Ok(operation) => self.run(id, operation, in_flight),
            Err(errors) => refusal(&id, &errors, Some(in_flight)),
        }
    }

    /// Returns whether the id names an operation that has not ended.
    fn is_active(&self, id: &OperationId) -> bool {
        if self.waiting.has(id) {
            return true;
        }
        match self.operations.find(id) {
            Some(
                RunningOperation::Query(_)
                | RunningOperation::Mutation(_)
                | RunningOperation::Subscribing(_),
            ) => true,
            Some(RunningOperation::Subscribed) => self.link.is_subscribed(id),
            None => false,
        }
    }

    /// Counts an operation for its user. Returns why it is refused, if it is.
    fn check(
        &self,
        operation: &NewOperation,
        view: &SessionView,
    ) -> Result<(), (ErrorCode, String)> {
        if view.is_draining {
            let message = "The server is restarting. Reconnect and try again.".to_owned();
            return Err((ErrorCode::Unavailable, message));
        }
        let to_parse = self.parts.execute.bytes_to_parse(&operation.payload.query);
        let cost = cost_of_operation(operation.bytes, to_parse);
        let refused = |error: Throttled| (ErrorCode::RateLimited, error.to_string());
        self.parts.throttle.take_many(&self.user(), cost).map_err(refused)
    }

    fn run(
        &mut self,
        id: OperationId,
        operation: Box<dyn Operation>,
        in_flight: InFlight,
    ) -> ProtocolEffect {
        let kind = operation.kind();
        let mut response = operation.run(Arc::clone(&self.link));
        if let Poll::Ready(response) = poll_once(&mut response) {
            return answer(&id, response, in_flight);
        }
        if kind == OperationKind::Mutation {
            let demand = Demand::new();
            self.operations.set(id.clone(), RunningOperation::Mutation(demand.clone()));
            return wait(async move {
                let response = response.await;
                OperationCompletion::Committed { id, response, in_flight, demand }
            });
        }
        let (handle, registration) = AbortHandle::new_pair();
        self.operations.set(id.clone(), RunningOperation::Query(handle));
        let response = Abortable::new(response, registration);
        wait(async move {
            match response.await {
                Ok(response) => OperationCompletion::Answered { id, response, in_flight },
                Err(Aborted) => OperationCompletion::Stopped,
            }
        })
    }

    fn subscribe(
        &mut self,
        id: OperationId,
        operation: Box<dyn Operation>,
        in_flight: InFlight,
    ) -> ProtocolEffect {
        let allowed = self.parts.limits.subscriptions;
        self.link.forget_ended();
        self.operations.forget_ended(|id| self.link.is_subscribed(id));
        if self.operations.subscriptions() >= allowed {
            let message = format!(
                "This connection already has {allowed} subscriptions. Complete one of them first."
            );
            let errors = graphql_ws::errors(ErrorCode::RateLimited, &message);
            return refusal(&id, &errors, Some(in_flight));
        }
        let seat = operation.subscribe(Arc::clone(&self.link), id.clone());
        let (handle, registration) = AbortHandle::new_pair();
        self.operations.set(id.clone(), RunningOperation::Subscribing(handle));
        let seat = Abortable::new(seat, registration);
        wait(async move {
            match seat.await {
                Ok(seat) => OperationCompletion::Subscribed { id, seat, in_flight },
                Err(Aborted) => OperationCompletion::Stopped,
            }
        })
    }

    /// Receives the result of an operation that had to wait.
    pub(super) fn complete(&mut self, completion: OperationCompletion) -> Option<ProtocolEffect> {
        match completion {
            OperationCompletion::Answered { id, response, in_flight } => {
                self.operations.remove(&id);
                Some(answer(&id, response, in_flight))
            }
            OperationCompletion::Committed { id, response, in_flight, demand } => self
                .operations
                .finish_mutation(&id, &demand)
                .then(|| answer(&id, response, in_flight)),
            OperationCompletion::Subscribed {
                id,
                seat: Ok(subscription),
                in_flight: _answered,
            } => {
                self.link.keep(id.clone(), subscription);
                self.operations.set(id, RunningOperation::Subscribed);
                None
            }
            OperationCompletion::Subscribed { id, seat: Err(errors), in_flight } => {
                self.operations.remove(&id);
                Some(refusal(&id, &errors, Some(in_flight)))
            }
            OperationCompletion::Stopped => None,
        }
    }

    /// Stops an operation at the client's request. One that waits never starts.
    pub(super) fn stop(&mut self, id: &OperationId) {
        self.waiting.remove(id);
        self.operations.stop(id);
        self.link.give_up(id);
    }

    /// Returns whether an operation is being executed, or waits for that.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty() || self.operations.are_executing()
    }

    /// Gives up the seats of all subscriptions, and drops the operations that wait.
    pub(super) fn leave(self) {
        self.link.give_up_all();
    }
}

fn wait(future: impl Future<Output = OperationCompletion> + 'static) -> ProtocolEffect {
    let completion = future.map(GraphQlCompletion::Operation).map(Completion::GraphQl);
    ProtocolEffect::Await(completion.boxed_local())
}

fn answer(id: &OperationId, response: OperationResponse, in_flight: InFlight) -> ProtocolEffect {
    match response {
        OperationResponse::Result(response) => {
            let response = response.encode(identity);
            let frame = if response.len() <= MAX_COPIED_BYTES {
                graphql_ws::result(id, &response).into()
            } else {
                OutboxFrame::around_shared(graphql_ws::result_around(id, response))
            };
            ProtocolEffect::Reply(frame, Some(in_flight))
        }
        OperationResponse::Refused(errors) => refusal(id, &errors, Some(in_flight)),
    }
}

/// Refuses an operation that is not in flight.
fn refused(id: &OperationId, code: ErrorCode, message: &str) -> StartedOperation {
    StartedOperation::Begun(refusal(id, &graphql_ws::errors(code, message), None))
}

fn refusal(id: &OperationId, errors: &[u8], in_flight: Option<InFlight>) -> ProtocolEffect {
    ProtocolEffect::Reply(ServerMessage::error(id, errors).frame().into(), in_flight)
}
