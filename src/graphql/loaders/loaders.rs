//! The reads of one operation, and the reader that carries them out.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_graphql::{
    Context,
    dataloader::{DataLoader, HashMapCache},
};

use crate::{
    domain::Party,
    fair_queue::FairQueue,
    graphql::{Api, ApiError, answer::AnswerBudget},
};

/// The reads of one operation. They end with it: a read that is under way is finished, but none begins.
pub(in crate::graphql) struct Loaders {
    pub(super) loader: DataLoader<Reader, HashMapCache>,
    /// Whether the operation still waits for the answer.
    is_wanted: Arc<AtomicBool>,
}

impl Drop for Loaders {
    fn drop(&mut self) {
        self.is_wanted.store(false, Ordering::Relaxed);
    }
}

/// Reads from the store, the roster and the rooms for one operation.
pub(super) struct Reader {
    is_wanted: Arc<AtomicBool>,
    pub(super) api: Arc<Api>,
    /// The party that the operation runs for.
    pub(super) party: Party,
    pub(super) budget: Arc<AnswerBudget>,
    /// The turns of work on large texts.
    pub(super) turns: FairQueue<Party>,
}

impl Loaders {
    /// Returns the reads of an operation that have not begun.
    pub(in crate::graphql) fn new(
        api: Arc<Api>,
        turns: FairQueue<Party>,
        party: Party,
        budget: Arc<AnswerBudget>,
    ) -> Self {
        let spawn = |reading| {
            actix_rt::spawn(reading);
        };
        let is_wanted = Arc::new(AtomicBool::new(true));
        let reader = Reader { is_wanted: Arc::clone(&is_wanted), api, party, budget, turns };
        let loader = DataLoader::with_cache(reader, spawn, HashMapCache::default());
        Self { loader: loader.delay(std::time::Duration::ZERO), is_wanted }
    }
}

/// Returns the reads of the operation of `ctx`.
///
/// # Errors
/// [`ApiError::SchemaOnly`]: there is no operation.
pub(in crate::graphql) fn loaders<'a>(ctx: &Context<'a>) -> Result<&'a Loaders, ApiError> {
    ctx.data_opt::<Loaders>().ok_or(ApiError::SchemaOnly)
}

impl Reader {
    /// Returns whether the operation still waits for the answer.
    pub(super) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::Relaxed)
    }
}
