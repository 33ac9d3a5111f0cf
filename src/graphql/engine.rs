//! Parses operations for sessions and HTTP requests.
//!
//! [`Engine::prepare`] parses and checks the text of an operation without running it. The [`PreparedOperation`] then runs it.

use std::{num::NonZero, sync::Arc};

use async_graphql::ServerError;
use bytes::Bytes;

use super::{
    Api, PreparedOperation,
    answer::AnswerBounds,
    operation_cache::OperationCache,
    operation_error::{errors_to_json, with_code},
    schema::Schemas,
    validation::variable_uses::VariableBounds,
    variables::OperationVariables,
};
use crate::{
    domain::Party,
    editing::{
        LoadError,
        loader::{MAX_INLINE_BYTES, off_thread},
    },
    fair_queue::{FairPermit, FairQueue, QueueBounds},
    memory::{MemoryAccount, MemoryBounds, MemoryUse, Reservation},
    metrics::Metrics,
    session::{Execute, Operation, TURN_WITHIN},
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
        let memory = MemoryBounds {
            of_user: api.limits.answers_of_user,
            of_node: api.limits.answers_of_node,
        };
        let memory = MemoryAccount::new(MemoryUse::Answers, memory, metrics.clone());
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

    /// Parses `text` and selects the operation called `name`. Its variables are checked when it runs.
    ///
    /// # Errors
    /// The text is too long, too complex or not GraphQL, it does not contain the operation, or the name is missing and
    /// there are several.
    pub fn prepare(
        &self,
        text: String,
        name: Option<String>,
        variables: OperationVariables,
    ) -> Result<PreparedOperation, ServerError> {
        let parsed = self.0.operations.parse(text).map_err(with_code)?;
        let kind = parsed.kind(name.as_deref()).map_err(with_code)?;
        parsed.check_selections(name.as_deref()).map_err(with_code)?;
        let name = name.map(Into::into);
        let engine = Arc::clone(&self.0);
        Ok(PreparedOperation { engine, parsed, kind, name, variables, held: None })
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
        let turn = match bytes > MAX_INLINE_BYTES {
            true => Some(self.first_turn(party).await?),
            false => None,
        };
        let work = move || {
            // The turn ends with the work, even if the operation has been cancelled.
            let _turn = turn;
            work()
        };
        off_thread(bytes, work).await
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
    fn prepare(
        &self,
        payload: SubscribePayload,
        held: Option<Reservation>,
    ) -> Result<Box<dyn Operation>, Bytes> {
        let variables = OperationVariables::Raw(payload.variables);
        match self.prepare(payload.query, payload.operation_name, variables) {
            Ok(prepared) => Ok(Box::new(prepared.holding(held))),
            Err(error) => Err(errors_to_json(&[error])),
        }
    }
}
