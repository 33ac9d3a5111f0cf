//! Runs an operation: answers a query or mutation, or admits a subscriber to a room. Every outcome is counted here, once.

use std::{sync::Arc, task::Poll};

use async_graphql::{Response, ServerError, Variables};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, poll};
use tracing::Instrument as _;

use super::{
    Caller, OperationVariables,
    admission::{PendingSubscription, Purpose, SubscriptionOperation},
    answer::{AnswerBounds, AnswerBudget, AnswerRefused, encode_response, in_turns, while_busy},
    cursor_mutation::{self, CursorMutation},
    engine::EngineParts,
    loaders::Loaders,
    operation_error::{
        busy_error, errors_to_json, internal_error, internal_errors, schema_error, with_code,
        with_codes, work_error,
    },
    parsed_operations::ParsedOperations,
};
use crate::{
    domain::Party,
    editing::loader::{MAX_INLINE_BYTES, off_thread},
    fair_queue::FairPermit,
    memory::{HeldBytes, Reservation},
    metrics::{OperationKind, OperationOutcome},
    room::Subscription,
    session::{Operation, OperationResponse, SessionLink},
    wire::{ErrorCode, graphql_ws::OperationId},
};

/// The fields of an event that may each be as long as a text in JSON: `content`, `update` and the insertions of `delta`.
const LARGE_FIELDS: usize = 3;

/// The answer to a query or mutation.
pub enum OperationAnswer {
    /// It was executed: a GraphQL response as JSON, which may have errors of fields.
    Executed(HeldBytes),
    /// It was not executed.
    Refused(Vec<ServerError>),
}

/// An operation that has been parsed and checked, and can be run once.
pub struct PreparedOperation {
    pub(super) engine: Arc<EngineParts>,
    pub(super) parsed: Arc<ParsedOperations>,
    pub(super) kind: OperationKind,
    pub(super) name: Option<Arc<str>>,
    pub(super) variables: OperationVariables,
    /// The memory of a large message or body.
    pub(super) held: Option<Reservation>,
}

/// Variables that the operation may use.
struct CheckedVariables {
    variables: Variables,
    /// Whether the resolvers wait for a turn before they read them.
    are_large: bool,
}

impl PreparedOperation {
    /// Returns whether it is a query, a mutation or a subscription.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        self.kind
    }

    /// Returns the operation with the memory of its message, which it keeps until it has ended.
    #[must_use]
    pub fn holding(self, held: Option<Reservation>) -> Self {
        Self { held, ..self }
    }

    /// Runs a query or mutation.
    ///
    /// # Cancel safety
    /// Dropping the future cancels a query. A mutation that has started runs to its end, because nothing may come
    /// between storing a change and publishing it.
    pub async fn answer(mut self, caller: Caller) -> OperationAnswer {
        if let Caller::Session(link) = &caller
            && let Some(answer) = self.move_cursor(link)
        {
            self.engine.metrics.operation_finished(self.kind, OperationOutcome::Ok);
            return OperationAnswer::Executed(HeldBytes::new(answer, None));
        }
        let party = caller.party();
        let is_stranger = matches!(caller, Caller::Nobody(_));
        if is_stranger
            && !self.engine.api.public_schema
            && self.parsed.selects_schema(self.name.as_deref())
        {
            return OperationAnswer::Refused(vec![schema_error()]);
        }
        let variables = match self.take_variables(party).await {
            Ok(variables) => variables,
            Err(error) => return OperationAnswer::Refused(vec![with_code(error)]),
        };
        let inner = Arc::clone(&self.engine);
        let reservation = inner.memory.open(party);
        let values = self.parsed.max_values(self.name.as_deref(), inner.bounds.values);
        let bounds = AnswerBounds { values, ..inner.bounds };
        let budget = Arc::new(AnswerBudget::new(bounds, reservation));
        let mut response = match self.execute(caller, variables, &budget).await {
            Ok(response) => response,
            Err(error) => return OperationAnswer::Refused(vec![error]),
        };
        if let Err(error) = budget.check() {
            response = Response::from_errors(vec![refused_answer(error, self.kind)]);
        } else {
            self.parsed.insert_nulls(self.name.as_deref(), &mut response);
        }
        response.errors = with_codes(response.errors);
        inner.metrics.operation_finished(self.kind, inner.outcome(&response.errors));
        if !was_executed(&response) && budget.check().is_ok() {
            return OperationAnswer::Refused(response.errors);
        }
        let json = inner.write_answer(party, response, &budget, self.kind).await;
        let reservation = budget.take_reservation(json.len());
        OperationAnswer::Executed(HeldBytes::new(json, reservation))
    }

    /// Moves the cursor of a session, if the operation does only that and is known to be valid. Returns its answer.
    fn move_cursor(&mut self, link: &SessionLink) -> Option<Bytes> {
        let name = self.name.as_deref();
        if self.kind != OperationKind::Mutation
            || self.variables.raw_bytes() > cursor_mutation::MAX_VARIABLE_BYTES
        {
            return None;
        }
        let mutation = CursorMutation::of(self.parsed.find(name)?)?;
        self.parsed.known_validation(name)?;
        mutation.run(self.variables.decode_in_place()?, link)
    }

    /// Decodes and checks the variables, large ones on another thread.
    ///
    /// # Errors
    /// A required variable is missing, the variables are too large or not JSON, or they are large and had no turn in time.
    async fn take_variables(&mut self, party: Party) -> Result<CheckedVariables, ServerError> {
        let inner = &self.engine;
        let none = OperationVariables::Decoded(Variables::default());
        let sent = std::mem::replace(&mut self.variables, none);
        let decoded = inner.large_work(party, sent.raw_bytes(), || sent.decode()).await;
        let variables = decoded
            .unwrap_or_else(|error| Err(work_error(&error, "variables could not be decoded")))?;
        let name = self.name.as_deref();
        let variables = self.parsed.declared(name, variables)?;
        self.parsed.check_variables(name, &variables)?;
        let bounds = inner.variable_bounds;
        let are_large = self.parsed.check_variable_uses(name, &variables, bounds)?;
        Ok(CheckedVariables { variables, are_large })
    }

    /// Waits for the first turn of an operation with a large text or large variables, which take long to validate, and lets other
    /// tasks run before it.
    ///
    /// # Errors
    /// It had none in time.
    async fn begin(
        &self,
        party: Party,
        are_large: bool,
    ) -> Result<Option<FairPermit<Party>>, ServerError> {
        if !are_large && !self.parsed.size().is_large() {
            return Ok(None);
        }
        let turn = self.engine.first_turn(party).await.map_err(|_too_late| busy_error())?;
        tokio::task::yield_now().await;
        Ok(Some(turn))
    }

    /// Runs the resolvers, turn by turn.
    ///
    /// # Errors
    /// It had no turn in time and has not begun.
    async fn execute(
        &mut self,
        caller: Caller,
        CheckedVariables { variables, are_large }: CheckedVariables,
        budget: &Arc<AnswerBudget>,
    ) -> Result<Response, ServerError> {
        let (inner, party) = (Arc::clone(&self.engine), caller.party());
        let turn = self.begin(party, are_large).await?;
        let (budget, held) = (Arc::clone(budget), self.held.take());
        let request = self
            .parsed
            .request(self.name.as_ref(), variables)
            .data(caller)
            .data(Arc::clone(&budget))
            .data(Loaders::new(
                Arc::clone(&inner.api),
                inner.turns.clone(),
                party,
                Arc::clone(&budget),
            ));
        let mut execution = async move {
            let resolving = inner.schemas.operations.execute(request).boxed();
            let response = in_turns(&budget, &inner.turns, party, turn, resolving).await;
            drop(held);
            response
        }
        .boxed();
        if self.kind != OperationKind::Mutation {
            return Ok(execution.await);
        }
        Ok(match poll!(&mut execution) {
            Poll::Ready(response) => response,
            // On the task set of this thread, since it may have to start an actor.
            Poll::Pending => {
                actix_rt::spawn(execution.in_current_span()).await.unwrap_or_else(|error| {
                    tracing::error!(%error, "a mutation ended without a response");
                    Response::from_errors(vec![internal_error()])
                })
            }
        })
    }

    /// Admits the session as a subscriber that its client calls `tag`.
    async fn admit(
        mut self,
        link: Arc<SessionLink>,
        tag: OperationId,
    ) -> Result<Subscription, Vec<ServerError>> {
        let party = Party::User(link.user().id);
        let refused = |error| vec![with_code(error)];
        let CheckedVariables { variables, are_large } =
            self.take_variables(party).await.map_err(refused)?;
        let turn = self.begin(party, are_large).await.map_err(refused)?;
        let inner = &self.engine;
        let operation = SubscriptionOperation {
            schema: inner.schemas.events.clone(),
            parsed: self.parsed,
            name: self.name,
            variables,
            max_event: inner.bounds.bytes.saturating_mul(LARGE_FIELDS),
        };
        let pending = PendingSubscription::new(Arc::clone(&link), tag, operation.clone());
        let purpose = Purpose::Admit(Arc::clone(&pending));
        let request = operation.request(purpose).data(Caller::Session(link));
        let mut responses = inner.schemas.events.execute_stream(request);
        let mut errors: Vec<_> = match while_busy(turn, responses.next()).await {
            Some(response) => with_codes(response.errors),
            None => vec![],
        };
        let subscription = pending.take().filter(|_subscription| errors.is_empty());
        if subscription.is_none() && errors.is_empty() {
            tracing::error!("a subscription ran without an error but was not admitted");
            errors.push(internal_error());
        }
        inner.metrics.operation_finished(self.kind, inner.outcome(&errors));
        subscription.ok_or(errors)
    }
}

impl EngineParts {
    /// Writes a response as JSON, a large one on another thread.
    async fn write_answer(
        &self,
        party: Party,
        response: Response,
        budget: &AnswerBudget,
        kind: OperationKind,
    ) -> Bytes {
        let bounds = budget.bounds();
        let bytes = budget.bytes_spent();
        // Without a deadline: what it answers may have been carried out. The queue refuses nobody.
        let turn = match bytes > MAX_INLINE_BYTES {
            true => self.turns.acquire(party).await.ok(),
            false => None,
        };
        let write = move || {
            // The turn ends with the work, even if the operation has been cancelled.
            let _turn = turn;
            encode_response(&response, bounds.bytes)
        };
        let written = match off_thread(bytes, write).await {
            Ok(Ok(written)) => return written,
            // Escapes made it longer than its texts.
            Ok(Err(_too_long)) => refused_answer(AnswerRefused::TooLarge(bounds), kind),
            Err(error) => {
                tracing::error!(%error, "a response could not be written");
                internal_error()
            }
        };
        let refused = Response::from_errors(vec![written]);
        encode_response(&refused, usize::MAX).unwrap_or_else(|error| {
            tracing::error!(%error, "a response could not be written");
            internal_errors()
        })
    }

    /// Returns how the operation ended, and counts every `FORBIDDEN` as a denied permission.
    fn outcome(&self, errors: &[ServerError]) -> OperationOutcome {
        let mut outcome = OperationOutcome::Ok;
        for error in errors {
            let code = error.extensions.as_ref().and_then(|values| values.get("code"));
            let is = |wanted: ErrorCode| matches!(code, Some(async_graphql::Value::String(code)) if code == wanted.as_str());
            if is(ErrorCode::Forbidden) {
                self.metrics.permission_denied();
            }
            let failed = [ErrorCode::Internal, ErrorCode::Unavailable, ErrorCode::Unknown]
                .into_iter()
                .any(is);
            if failed || outcome == OperationOutcome::Ok {
                outcome = if failed { OperationOutcome::Failed } else { OperationOutcome::Refused };
            }
        }
        outcome
    }
}

impl Operation for PreparedOperation {
    fn kind(&self) -> OperationKind {
        self.kind
    }

    fn run(self: Box<Self>, caller: Arc<SessionLink>) -> BoxFuture<'static, OperationResponse> {
        async move {
            match self.answer(Caller::Session(caller)).await {
                OperationAnswer::Executed(response) => OperationResponse::Result(response),
                OperationAnswer::Refused(errors) => {
                    OperationResponse::Refused(errors_to_json(&errors))
                }
            }
        }
        .boxed()
    }

    fn subscribe(
        self: Box<Self>,
        caller: Arc<SessionLink>,
        tag: OperationId,
    ) -> BoxFuture<'static, Result<Subscription, Bytes>> {
        async move { self.admit(caller, tag).await.map_err(|errors| errors_to_json(&errors)) }
            .boxed()
    }
}

/// Returns the error of an operation whose answer was refused.
fn refused_answer(refused: AnswerRefused, kind: OperationKind) -> ServerError {
    let mut error = ServerError::new(refused.to_string(), None);
    if kind == OperationKind::Mutation {
        error.message.push_str(" The mutations of this operation may have been carried out.");
    }
    error.extensions.get_or_insert_default().set("code", refused.code().as_str());
    error
}

/// Returns whether an operation passed validation. The error of a field has a path, that of a whole operation has none.
fn was_executed(response: &Response) -> bool {
    response.is_ok() || response.errors.iter().any(|error| !error.path.is_empty())
}
