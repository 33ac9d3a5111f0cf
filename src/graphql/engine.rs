//! Runs operations for sessions and HTTP requests.
//!
//! [`Engine::prepare`] parses and checks the text of an operation without running it. The [`PreparedOperation`] then
//! responds to a query or mutation, or admits a subscriber to a room. Every outcome is counted here, once.

use std::{num::NonZero, sync::Arc, task::Poll};

use async_graphql::{Response, ServerError, Variables};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, poll};
use tokio::sync::Semaphore;
use tracing::Instrument as _;

use super::{
    Api, Caller,
    admission::{PendingSubscription, Purpose, SubscriptionOperation},
    answer::{AnswerBounds, AnswerBudget, AnswerTooLarge, encode_response, in_turns},
    error::{internal_error, internal_errors, with_code},
    loaders::Loaders,
    operation_cache::OperationCache,
    parsed_operations::ParsedOperations,
    schema::Schemas,
};
use crate::{
    editing::loader::off_thread,
    metrics::{Metrics, OperationKind, OperationOutcome},
    room::Subscription,
    session::{Execute, Operation, OperationResponse, SessionLink},
    wire::{
        ErrorCode,
        graphql_ws::{OperationId, SubscribePayload},
    },
};

/// The most errors in a response. Without a bound, a text with an error in every word would get a response a hundred
/// times its size.
const MAX_ERRORS: usize = 20;

/// The fields of an event that may each be as long as a text in JSON: `content`, `update` and the insertions of `delta`.
const LARGE_FIELDS: usize = 3;

/// The schema, and the cache of parsed operations. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    api: Arc<Api>,
    schemas: Schemas,
    operations: OperationCache,
    bounds: AnswerBounds,
    /// The operations with large answers that may have a turn at the same time.
    turns: Semaphore,
    metrics: Metrics,
}

/// The answer to a query or mutation.
pub enum OperationAnswer {
    /// It was executed: a GraphQL response as JSON, which may have errors of fields.
    Executed(Bytes),
    /// It was not executed.
    Refused(Vec<ServerError>),
}

/// An operation that has been parsed and checked, and can be run once.
pub struct PreparedOperation {
    engine: Engine,
    parsed: Arc<ParsedOperations>,
    kind: OperationKind,
    name: Option<Arc<str>>,
    variables: Variables,
}

impl Engine {
    /// Creates an engine over the parts of a node.
    #[must_use]
    pub fn new(api: Arc<Api>) -> Self {
        let metrics = api.metrics.clone();
        let operations = OperationCache::new(&api.limits, metrics.clone());
        let schemas = Schemas::new(&api);
        let bounds = AnswerBounds { bytes: api.limits.answer, values: api.limits.answer_values };
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let turns = Semaphore::new(threads);
        Self(Arc::new(Inner { api, schemas, operations, bounds, turns, metrics }))
    }

    /// Parses `text`, selects the operation called `name`, and checks its variables.
    ///
    /// # Errors
    /// The text is too long, too complex or not GraphQL, it does not contain the operation, the name is missing and
    /// there are several, or a required variable is missing.
    pub fn prepare(
        &self,
        text: String,
        name: Option<String>,
        variables: Variables,
    ) -> Result<PreparedOperation, ServerError> {
        let parsed = self.0.operations.parse(text).map_err(with_code)?;
        let kind = parsed.kind(name.as_deref()).map_err(with_code)?;
        let variables = parsed.declared(name.as_deref(), variables).map_err(with_code)?;
        parsed.check_variables(name.as_deref(), &variables).map_err(with_code)?;
        let name = name.map(Into::into);
        Ok(PreparedOperation { engine: self.clone(), parsed, kind, name, variables })
    }
}

impl PreparedOperation {
    /// Returns whether it is a query, a mutation or a subscription.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        self.kind
    }

    /// Runs a query or mutation.
    ///
    /// # Cancel safety
    /// Dropping the future cancels a query. A mutation that has started runs to its end, because nothing may come
    /// between storing a change and publishing it.
    pub async fn answer(mut self, caller: Caller) -> OperationAnswer {
        let inner = Arc::clone(&self.engine.0);
        let budget = Arc::new(AnswerBudget::new(inner.bounds));
        let mut response = self.execute(caller, &budget).await;
        if let Err(error) = budget.check() {
            response = Response::from_errors(vec![refused_answer(error, self.kind)]);
        } else {
            self.parsed.insert_nulls(self.name.as_deref(), &mut response);
        }
        response.errors = response.errors.into_iter().map(with_code).collect();
        inner.metrics.operation_finished(self.kind, inner.outcome(&response.errors));
        response.errors.truncate(MAX_ERRORS);
        if !was_executed(&response) && budget.check().is_ok() {
            return OperationAnswer::Refused(response.errors);
        }
        OperationAnswer::Executed(write_answer(response, &budget, self.kind).await)
    }

    /// Runs the resolvers, turn by turn.
    async fn execute(&mut self, caller: Caller, budget: &Arc<AnswerBudget>) -> Response {
        let inner = Arc::clone(&self.engine.0);
        let budget = Arc::clone(budget);
        let request = self
            .parsed
            .request(self.name.as_deref(), std::mem::take(&mut self.variables))
            .data(caller)
            .data(Arc::clone(&budget))
            .data(Loaders::new(Arc::clone(&inner.api), Arc::clone(&budget)));
        let mut execution = async move {
            let resolving = inner.schemas.operations.execute(request).boxed();
            in_turns(&budget, &inner.turns, resolving).await
        }
        .boxed();
        if self.kind != OperationKind::Mutation {
            return execution.await;
        }
        match poll!(&mut execution) {
            Poll::Ready(response) => response,
            // On the task set of this thread, since it may have to start an actor.
            Poll::Pending => {
                actix_rt::spawn(execution.in_current_span()).await.unwrap_or_else(|error| {
                    tracing::error!(%error, "a mutation ended without a response");
                    Response::from_errors(vec![internal_error()])
                })
            }
        }
    }

    /// Admits the session as a subscriber that its client calls `tag`.
    async fn admit(
        self,
        link: Arc<SessionLink>,
        tag: OperationId,
    ) -> Result<Subscription, Vec<ServerError>> {
        let inner = &self.engine.0;
        let operation = SubscriptionOperation {
            schema: inner.schemas.events.clone(),
            parsed: self.parsed,
            name: self.name,
            variables: self.variables,
            max_event: inner.bounds.bytes.saturating_mul(LARGE_FIELDS),
        };
        let pending = PendingSubscription::new(Arc::clone(&link), tag, operation.clone());
        let purpose = Purpose::Admit(Arc::clone(&pending));
        let request = operation.request(purpose).data(Caller::Session(link));
        let mut responses = inner.schemas.events.execute_stream(request);
        let mut errors: Vec<_> = match responses.next().await {
            Some(response) => response.errors.into_iter().map(with_code).collect(),
            None => vec![],
        };
        let subscription = pending.take().filter(|_subscription| errors.is_empty());
        if subscription.is_none() && errors.is_empty() {
            tracing::error!("a subscription ran without an error but was not admitted");
            errors.push(internal_error());
        }
        inner.metrics.operation_finished(self.kind, inner.outcome(&errors));
        errors.truncate(MAX_ERRORS);
        subscription.ok_or(errors)
    }
}

impl Inner {
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

impl Execute for Engine {
    fn prepare(&self, payload: SubscribePayload) -> Result<Box<dyn Operation>, Bytes> {
        let variables = Variables::from_json(payload.variables.into());
        match self.prepare(payload.query, payload.operation_name, variables) {
            Ok(prepared) => Ok(Box::new(prepared)),
            Err(error) => Err(to_json(&[error])),
        }
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
                OperationAnswer::Refused(errors) => OperationResponse::Refused(to_json(&errors)),
            }
        }
        .boxed()
    }

    fn subscribe(
        self: Box<Self>,
        caller: Arc<SessionLink>,
        tag: OperationId,
    ) -> BoxFuture<'static, Result<Subscription, Bytes>> {
        async move { self.admit(caller, tag).await.map_err(|errors| to_json(&errors)) }.boxed()
    }
}

/// Returns the error of an operation whose answer would be too large.
fn refused_answer(error: AnswerTooLarge, kind: OperationKind) -> ServerError {
    let mut error = with_code(ServerError::new(error.to_string(), None));
    if kind == OperationKind::Mutation {
        error.message.push_str(" Its mutations may have been carried out.");
    }
    error
}

/// Writes a response as JSON, a large one on another thread.
async fn write_answer(response: Response, budget: &AnswerBudget, kind: OperationKind) -> Bytes {
    let (too_large, max) = (budget.too_large(), budget.bounds().bytes);
    let write = move || encode_response(&response, max);
    let written = match off_thread(budget.bytes_spent(), write).await {
        Ok(Ok(written)) => return written,
        // Escapes made it longer than its texts.
        Ok(Err(_too_long)) => refused_answer(too_large, kind),
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

/// Returns whether an operation passed validation. The error of a field has a path, that of a whole operation has none.
fn was_executed(response: &Response) -> bool {
    response.is_ok() || response.errors.iter().any(|error| !error.path.is_empty())
}

fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_else(|error| {
        tracing::error!(%error, "a response could not be encoded");
        internal_errors()
    })
}
