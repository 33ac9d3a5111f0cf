//! Runs operations, wherever they come from.

use std::{sync::Arc, task::Poll};

use async_graphql::{Response, ServerError, Variables};
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, future::BoxFuture, poll};
use tracing::Instrument as _;

use super::{
    Api, Caller, Schema,
    admission::{Admission, Purpose, Subscribing},
    error::with_code,
    operation_cache::{OperationCache, Parsed},
    schema,
};
use crate::{
    metrics::{Metrics, OperationKind, OperationOutcome},
    room::Ticket,
    session::{Execute, Operation, OperationResponse, SessionLink},
    wire::{
        ErrorCode,
        graphql_ws::{OperationId, SubscribePayload},
    },
};

/// An answer tells this many errors and leaves the others out: a text that is wrong in every word would be answered
/// with a hundred times its size.
const MAX_ERRORS: usize = 20;

/// The schema, and the operations that are in use.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    schema: Schema,
    operations: OperationCache,
    metrics: Metrics,
}

/// An operation that has been parsed.
pub struct Prepared {
    engine: Engine,
    parsed: Arc<Parsed>,
    kind: OperationKind,
    name: Option<Arc<str>>,
    variables: Variables,
}

impl Engine {
    /// An engine over the parts of a node.
    #[must_use]
    pub fn new(api: Arc<Api>) -> Self {
        let metrics = api.metrics.clone();
        let operations = OperationCache::new(&api.limits, metrics.clone());
        Self(Arc::new(Inner { schema: schema::build(api), operations, metrics }))
    }

    /// Parses an operation.
    ///
    /// # Errors
    /// It is too long or too large, no GraphQL, cannot be told apart from others in the same text, or lacks a variable.
    pub fn prepare(
        &self,
        text: String,
        name: Option<String>,
        variables: Variables,
    ) -> Result<Prepared, ServerError> {
        let parsed = self.0.operations.parsed(text).map_err(with_code)?;
        let kind = parsed.kind(name.as_deref()).map_err(with_code)?;
        let variables = parsed.declared(name.as_deref(), variables).map_err(with_code)?;
        parsed.check_variables(name.as_deref(), &variables).map_err(with_code)?;
        let name = name.map(Into::into);
        Ok(Prepared { engine: self.clone(), parsed, kind, name, variables })
    }
}

impl Prepared {
    /// What it does.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        self.kind
    }

    /// Runs a query or mutation.
    ///
    /// # Cancel safety
    /// A query ends with the future. A mutation that has begun to wait runs to its end: between storing something
    /// and telling the others nobody may stop it.
    pub async fn respond(self, caller: Caller) -> Response {
        let inner = Arc::clone(&self.engine.0);
        let request = self.parsed.request(self.name.as_deref(), self.variables).data(caller);
        let schema = inner.schema.clone();
        let mut running = async move { schema.execute(request).await }.boxed();
        let mut response = if self.kind == OperationKind::Mutation {
            match poll!(&mut running) {
                Poll::Ready(response) => response,
                // On this thread's own set of tasks, since it may have to start an actor.
                Poll::Pending => {
                    actix_rt::spawn(running.in_current_span()).await.unwrap_or_else(|error| {
                        tracing::error!(%error, "a mutation ended without an answer");
                        Response::from_errors(vec![broken()])
                    })
                }
            }
        } else {
            running.await
        };
        self.parsed.complete(self.name.as_deref(), &mut response);
        response.errors = response.errors.into_iter().map(with_code).collect();
        inner.metrics.operation_finished(self.kind, inner.outcome(&response.errors));
        response.errors.truncate(MAX_ERRORS);
        response
    }

    async fn take_seat(
        self,
        link: Arc<SessionLink>,
        tag: OperationId,
    ) -> Result<Ticket, Vec<ServerError>> {
        let inner = &self.engine.0;
        let operation = Subscribing {
            schema: inner.schema.clone(),
            parsed: self.parsed,
            name: self.name,
            variables: self.variables,
        };
        let admission = Admission::new(Arc::clone(&link), tag, operation.clone());
        let purpose = Purpose::Admit(Arc::clone(&admission));
        let request = operation.request(purpose).data(Caller::Session(link));
        let mut responses = inner.schema.execute_stream(request);
        let mut errors: Vec<_> = match responses.next().await {
            Some(response) => response.errors.into_iter().map(with_code).collect(),
            None => vec![],
        };
        let ticket = admission.take().filter(|_ticket| errors.is_empty());
        if ticket.is_none() && errors.is_empty() {
            tracing::error!("a subscription was run and nobody was admitted");
            errors.push(broken());
        }
        inner.metrics.operation_finished(self.kind, inner.outcome(&errors));
        errors.truncate(MAX_ERRORS);
        ticket.ok_or(errors)
    }
}

impl Inner {
    /// How it went; somebody who was refused for lack of access is counted for himself as well.
    fn outcome(&self, errors: &[ServerError]) -> OperationOutcome {
        let mut outcome = OperationOutcome::Ok;
        for error in errors {
            let code = error.extensions.as_ref().and_then(|values| values.get("code"));
            let is = |wanted: ErrorCode| matches!(code, Some(async_graphql::Value::String(code)) if code == wanted.as_str());
            if is(ErrorCode::Forbidden) {
                self.metrics.permission_denied();
            }
            let failed = is(ErrorCode::Internal) || is(ErrorCode::Unavailable);
            if failed || outcome == OperationOutcome::Ok {
                outcome = if failed { OperationOutcome::Failed } else { OperationOutcome::Refused };
            }
        }
        outcome
    }
}

fn broken() -> ServerError {
    let mut error = ServerError::new("Something went wrong. It has been logged.", None);
    error.extensions.get_or_insert_default().set("code", ErrorCode::Internal.as_str());
    error
}

impl Execute for Engine {
    fn prepare(&self, payload: SubscribePayload) -> Result<Box<dyn Operation>, Bytes> {
        let variables = Variables::from_json(payload.variables.into());
        match self.prepare(payload.query, payload.operation_name, variables) {
            Ok(prepared) => Ok(Box::new(prepared)),
            Err(error) => Err(encoded(&[error])),
        }
    }
}

impl Operation for Prepared {
    fn kind(&self) -> OperationKind {
        self.kind
    }

    fn run(self: Box<Self>, caller: Arc<SessionLink>) -> BoxFuture<'static, OperationResponse> {
        async move {
            let response = self.respond(Caller::Session(caller)).await;
            if was_executed(&response) {
                OperationResponse::Result(encoded(&response))
            } else {
                OperationResponse::Refused(encoded(&response.errors))
            }
        }
        .boxed()
    }

    fn subscribe(
        self: Box<Self>,
        caller: Arc<SessionLink>,
        tag: OperationId,
    ) -> BoxFuture<'static, Result<Ticket, Bytes>> {
        async move { self.take_seat(caller, tag).await.map_err(|errors| encoded(&errors)) }.boxed()
    }
}

/// Whether an operation got past validation. An error of a field says which; one of the whole operation does not.
#[must_use]
pub(crate) fn was_executed(response: &Response) -> bool {
    response.is_ok() || response.errors.iter().any(|error| !error.path.is_empty())
}

fn encoded<T: serde::Serialize + ?Sized>(value: &T) -> Bytes {
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer could not be encoded");
        Bytes::from_static(br#"[{"message":"Something went wrong. It has been logged.","extensions":{"code":"INTERNAL"}}]"#)
    })
}
