//! Parses operations for sessions and HTTP requests.
//!
//! [`Engine::prepare`] parses and checks the text of an operation without running it. The [`PreparedOperation`] then runs it.

use std::{num::NonZero, sync::Arc};

use async_graphql::ServerError;
use futures_util::{FutureExt as _, future::BoxFuture};

use super::{
    Api, OperationRequest, PreparedOperation,
    answer::AnswerBounds,
    operation_cache::OperationCache,
    operation_error::{errors_to_json, persisted_query_error, with_code, work_error},
    parsed_operations::ParsedOperations,
    schema::Schemas,
    validation::variable_uses::VariableBounds,
};
use crate::{
    domain::Party,
    editing::{LoadError, loader::MAX_INLINE_BYTES},
    fair_queue::{FairPermit, FairQueue, QueueBounds},
    memory::{MemoryAccount, Reservation},
    metrics::Metrics,
    session::{Execute, Operation, Preparation, TURN_WITHIN},
    wire::graphql_ws::{RawObject, SubscribePayload},
};

/// The schema, and the cache of parsed operations. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<EngineParts>);

/// The parts that operations use.
pub(super) struct EngineParts {
    pub(super) api: Arc<Api>,
    pub(super) schemas: Schemas,
    operations: OperationCache,
    pub(super) bounds: AnswerBounds,
    /// The memory of large answers.
    pub(super) memory: MemoryAccount,
    pub(super) variable_bounds: VariableBounds,
    /// The turns of operations with large answers or variables. The operations in flight bound the number that wait.
    pub(super) turns: FairQueue<Party>,
    pub(super) metrics: Metrics,
}

impl Engine {
    /// Creates an engine over the parts of a node.
    #[must_use]
    pub fn new(api: Arc<Api>) -> Self {
        let metrics = api.metrics.clone();
        let operations = OperationCache::new(&api.limits, metrics.clone());
        let schemas = Schemas::new(&api);
        let bounds = AnswerBounds { bytes: api.limits.answer, values: api.limits.answer_values };
        let memory = api.answers.clone();
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        let turns = FairQueue::new(QueueBounds {
            places: threads,
            share: threads.div_ceil(2),
            waiting_of_key: usize::MAX,
            waiting: usize::MAX,
        });
        let variable_bounds =
            VariableBounds { values: RawObject::MAX_VALUES, bytes: api.limits.message };
        let parts = EngineParts {
            api,
            schemas,
            operations,
            bounds,
            memory,
            variable_bounds,
            turns,
            metrics,
        };
        Self(Arc::new(parts))
    }

    /// Parses an operation of a party. A long text is parsed on another thread when it is the party's turn. The variables are
    /// checked when the operation runs.
    ///
    /// # Errors
    /// The text is too long, too complex or not GraphQL, it does not contain the operation, or the name is missing and
    /// there are several; or it is long and had no turn in time.
    pub async fn prepare(
        &self,
        party: Party,
        OperationRequest { query, operation_name, variables, is_persisted }: OperationRequest,
    ) -> Result<PreparedOperation, ServerError> {
        if query.is_empty() && is_persisted {
            return Err(persisted_query_error());
        }
        let parsed = self.parse(party, query).await.map_err(with_code)?;
        let name = operation_name.as_deref();
        let kind = parsed.kind(name).map_err(with_code)?;
        parsed.check_selections(name).map_err(with_code)?;
        let (engine, name) = (Arc::clone(&self.0), operation_name.map(Into::into));
        Ok(PreparedOperation { engine, parsed, kind, name, variables, held: None })
    }

    async fn parse(
        &self,
        party: Party,
        text: String,
    ) -> Result<Arc<ParsedOperations>, ServerError> {
        let operations = &self.0.operations;
        if !operations.takes_long(&text) {
            return operations.parse(text);
        }
        if let Some(parsed) = operations.find(&text) {
            return Ok(parsed);
        }
        let engine = Arc::clone(&self.0);
        let parsed = self.0.in_turn(party, move || engine.operations.parse(text)).await;
        parsed.unwrap_or_else(|error| Err(work_error(&error, "an operation could not be parsed")))
    }

    /// Returns the turns of large operations, which large messages share.
    pub(crate) fn turns(&self) -> FairQueue<Party> {
        self.0.turns.clone()
    }

    /// Runs work of a party on `bytes` bytes: inline if they are few, otherwise on another thread when it is its turn.
    ///
    /// # Errors
    /// [`LoadError::Busy`] if it had no turn in time, [`LoadError::Aborted`] if it panicked.
    pub(crate) async fn large_work<T: Send + 'static>(
        &self,
        party: Party,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LoadError> {
        self.0.large_work(party, bytes, work).await
    }
}

impl EngineParts {
    /// As [`Engine::large_work`].
    pub(super) async fn large_work<T: Send + 'static>(
        &self,
        party: Party,
        bytes: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LoadError> {
        match bytes > MAX_INLINE_BYTES {
            true => self.in_turn(party, work).await,
            false => Ok(work()),
        }
    }

    /// Runs work of a party on another thread when it is its turn.
    async fn in_turn<T: Send + 'static>(
        &self,
        party: Party,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LoadError> {
        let turn = self.first_turn(party).await?;
        let work = move || {
            // The turn ends with the work, even if the operation has been cancelled.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|_panicked| LoadError::Aborted)
    }

    /// Waits for a turn of an operation that has not begun.
    ///
    /// # Errors
    /// [`LoadError::Busy`] if it had none in time.
    pub(super) async fn first_turn(&self, party: Party) -> Result<FairPermit<Party>, LoadError> {
        let turn = self.turns.acquire_within(party, TURN_WITHIN).await;
        turn.map_err(|_too_late| LoadError::Busy)
    }
}

impl Execute for Engine {
    fn bytes_to_parse(&self, text: &str) -> usize {
        self.0.operations.bytes_to_parse(text)
    }

    fn prepare(
        &self,
        party: Party,
        payload: SubscribePayload,
        held: Option<Reservation>,
    ) -> BoxFuture<'static, Preparation> {
        let engine = self.clone();
        async move {
            match engine.prepare(party, payload.into()).await {
                Ok(prepared) => {
                    let operation: Box<dyn Operation> = Box::new(prepared.holding(held));
                    Ok(operation)
                }
                Err(error) => Err(errors_to_json(&[error])),
            }
        }
        .boxed()
    }
}
