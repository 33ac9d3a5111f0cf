//! Permits for work on large texts.
//!
//! Such work runs on threads of its own, a few at a time. It holds two permits until it ends: one of its document and one of
//! the node. Heavy work on one document therefore delays that document only, and heavy work of one author, on any number of
//! documents, that author only: authors take turns, and each holds a share of the node's permits at most ([`FairQueue`]).
//!
//! Work spends a [`Budget`] of steps, which ends work that is too large at the same step on every machine. The budget is
//! stopped when the time is up, and when nobody waits for the work any longer, so no thread works on for long.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

use super::{
    EditError, LoadError,
    loader::MAX_INLINE_BYTES,
    stoppable::{Unfinished, run_stoppable},
};
use crate::{
    domain::{Budget, Party, UserId},
    fair_queue::FairQueue,
};

/// The most steps of one piece of work. A step of a delta that meets a step of another takes some 20 ns, so these take about
/// a second.
const MAX_STEPS: u64 = 50_000_000;

/// The permits of one document.
#[derive(Clone)]
pub(crate) struct WorkPermits {
    of_document: Arc<Semaphore>,
    of_node: FairQueue<Party>,
}

impl WorkPermits {
    /// Returns the permits of a document; `of_node` is shared by all documents of the node.
    pub(crate) fn new(of_node: FairQueue<Party>) -> Self {
        Self { of_document: Arc::new(Semaphore::new(1)), of_node }
    }

    /// Runs `work` of an author and a weight, in bytes. Light work runs inline; heavy work waits for permits and runs on another thread.
    /// `within` limits the wait. Work that takes longer than `within` is stopped; its result is then what it returns when
    /// its budget is exhausted.
    ///
    /// # Errors
    /// [`EditError::Busy`] if too much work waits, no permit was free in time, or the work did not end when it was stopped.
    ///
    /// # Cancel safety
    /// Dropping the future stops the work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        author: UserId,
        weight: usize,
        within: Duration,
        work: impl FnOnce(&Budget) -> T + Send + 'static,
    ) -> Result<T, EditError> {
        let budget = Budget::new(MAX_STEPS);
        if weight <= MAX_INLINE_BYTES {
            return Ok(work(&budget));
        }
        let permits = async {
            // The document's first, so that nobody holds one of the node's while waiting.
            let of_document = Arc::clone(&self.of_document).acquire_owned().await;
            let of_node = self.of_node.acquire(Party::User(author)).await;
            of_node.map(|of_node| (of_document, of_node)).map_err(|_full| EditError::Busy)
        };
        let permits = timeout(within, permits).await.map_err(|_elapsed| EditError::Busy)??;
        let work = move |budget: &Budget| {
            let done = work(budget);
            drop(permits);
            done
        };
        run_stoppable(budget, within, work).await.map_err(|unfinished| match unfinished {
            Unfinished::Late => EditError::Busy,
            Unfinished::Panicked => LoadError::Aborted.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::{domain::Exhausted, editing::loader::large_texts_queue};

    const HEAVY: usize = MAX_INLINE_BYTES + 1;
    const SOON: Duration = Duration::from_millis(20);
    const LATE: Duration = Duration::from_secs(10);

    fn permits() -> WorkPermits {
        WorkPermits::new(large_texts_queue(2))
    }

    /// Works until the budget is exhausted, and returns why it was.
    fn work_on(budget: &Budget) -> Exhausted {
        loop {
            if let Err(exhausted) = budget.spend(0) {
                return exhausted;
            }
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn work_that_takes_too_long_is_stopped_and_returns_its_permits() {
        let (permits, author) = (permits(), UserId::new());
        assert_eq!(permits.run(author, HEAVY, SOON, work_on).await.unwrap(), Exhausted::Stopped);
        permits.run(author, HEAVY, LATE, |_budget| ()).await.unwrap();
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_is_stopped() {
        let (permits, author) = (permits(), UserId::new());
        let (begin, begun) = mpsc::channel();
        let working = tokio::spawn({
            let permits = permits.clone();
            async move {
                let work = move |budget: &Budget| {
                    begin.send(()).unwrap();
                    work_on(budget)
                };
                permits.run(author, HEAVY, LATE, work).await
            }
        });
        tokio::task::spawn_blocking(move || begun.recv()).await.unwrap().unwrap();
        working.abort();
        assert!(working.await.unwrap_err().is_cancelled());
        // The permit of the document becomes free only when the thread has ended.
        permits.run(author, HEAVY, LATE, |_budget| ()).await.unwrap();
    }

    #[tokio::test]
    async fn heavy_work_of_an_author_delays_that_author_only() {
        let of_node = large_texts_queue(4);
        let document = || WorkPermits::new(of_node.clone());
        let [mallory, alice] = [(); 2].map(|()| UserId::new());
        let (finish, finished) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let working = tokio::spawn({
            let permits = document();
            let work = move |_budget: &Budget| {
                begin.send(()).unwrap();
                finished.recv()
            };
            async move { permits.run(mallory, HEAVY, LATE, work).await }
        });
        tokio::task::spawn_blocking(move || begun.recv()).await.unwrap().unwrap();
        let refused = document().run(mallory, HEAVY, SOON, |_budget| ()).await;
        assert!(matches!(refused, Err(EditError::Busy)));
        document().run(alice, HEAVY, LATE, |_budget| ()).await.unwrap();
        finish.send(()).unwrap();
        working.await.unwrap().unwrap().unwrap();
        document().run(mallory, HEAVY, LATE, |_budget| ()).await.unwrap();
    }

    #[tokio::test]
    async fn heavy_work_delays_its_document_only() {
        let (permits, author) = (permits(), UserId::new());
        let (finish, finished) = mpsc::channel::<()>();
        let (begin, begun) = mpsc::channel();
        let working = tokio::spawn({
            let permits = permits.clone();
            let work = move |_budget: &Budget| {
                begin.send(()).unwrap();
                finished.recv()
            };
            async move { permits.run(author, HEAVY, LATE, work).await }
        });
        tokio::task::spawn_blocking(move || begun.recv()).await.unwrap().unwrap();
        let refused = permits.run(author, HEAVY, SOON, |_budget| ()).await;
        assert!(matches!(refused, Err(EditError::Busy)));
        // Light work and work on other documents go on.
        permits.run(author, 1, SOON, |_budget| ()).await.unwrap();
        let other = WorkPermits::new(permits.of_node.clone());
        other.run(UserId::new(), HEAVY, LATE, |_budget| ()).await.unwrap();
        finish.send(()).unwrap();
        working.await.unwrap().unwrap().unwrap();
        permits.run(author, HEAVY, LATE, |_budget| ()).await.unwrap();
    }
}
