//! Runs operations for sessions and HTTP requests.
//!
//! [`Engine::prepare`] parses and checks the text of an operation without running it. The [`PreparedOperation`] then
//! responds to a query or mutation, or admits a subscriber to a room. Every outcome is counted here, once.

use std::{sync::Arc, task::Poll};

use async_graphql::{Response, ServerError, Variables};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, poll};
use tracing::Instrument as _;

use super::{
    Api, Caller, Schema,
    admission::{PendingSubscription, Purpose, SubscriptionOperation},
    error::{internal_error, internal_errors, with_code},
    operation_cache::OperationCache,
    parsed_operations::ParsedOperations,
    schema,
};
use crate::{
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

/// The schema, and the cache of parsed operations. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    schema: Schema,
    operations: OperationCache,
    metrics: Metrics,
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
        Self(Arc::new(Inner { schema: schema::build(api), operations, metrics }))
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
    pub async fn respond(self, caller: Caller) -> Response {
        let inner = Arc::clone(&self.engine.0);
        let request = self.parsed.request(self.name.as_deref(), self.variables).data(caller);
        let schema = inner.schema.clone();
        let mut execution = async move { schema.execute(request).await }.boxed();
        let mut response = if self.kind == OperationKind::Mutation {
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
        } else {
            execution.await
        };
        self.parsed.insert_nulls(self.name.as_deref(), &mut response);
        response.errors = response.errors.into_iter().map(with_code).collect();
        inner.metrics.operation_finished(self.kind, inner.outcome(&response.errors));
        response.errors.truncate(MAX_ERRORS);
        response
    }

    /// Admits the session as a subscriber that its client calls `tag`.
    async fn admit(
        self,
        link: Arc<SessionLink>,
        tag: OperationId,
    ) -> Result<Subscription, Vec<ServerError>> {
        let inner = &self.engine.0;
        let operation = SubscriptionOperation {
            schema: inner.schema.clone(),
            parsed: self.parsed,
            name: self.name,
            variables: self.variables,
        };
        let pending = PendingSubscription::new(Arc::clone(&link), tag, operation.clone());
        let purpose = Purpose::Admit(Arc::clone(&pending));
        let request = operation.request(purpose).data(Caller::Session(link));
        let mut responses = inner.schema.execute_stream(request);
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
            let response = self.respond(Caller::Session(caller)).await;
            if was_executed(&response) {
                OperationResponse::Result(to_json(&response))
            } else {
                OperationResponse::Refused(to_json(&response.errors))
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

/// Returns whether an operation passed validation. The error of a field has a path, that of a whole operation has none.
#[must_use]
pub(crate) fn was_executed(response: &Response) -> bool {
    response.is_ok() || response.errors.iter().any(|error| !error.path.is_empty())
}

fn to_json<T: serde::Serialize + ?Sized>(value: &T) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_else(|error| {
        tracing::error!(%error, "a response could not be encoded");
        internal_errors()
    })
}
