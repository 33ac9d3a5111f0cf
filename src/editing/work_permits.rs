//! Permits for work on large texts.
//!
//! Such work runs on threads of its own, a few at a time. It cannot be stopped when its time is up, so it keeps its permits
//! until it is done: one of its document and one of the node. Heavy work on one document therefore delays that document
//! only.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

use super::{EditError, LoadError, loader::MAX_INLINE_BYTES};

/// The permits of one document.
#[derive(Clone)]
pub(crate) struct WorkPermits {
    of_document: Arc<Semaphore>,
    of_node: Arc<Semaphore>,
}

impl WorkPermits {
    /// Returns the permits of a document; `of_node` is shared by all documents of the node.
    pub(crate) fn new(of_node: Arc<Semaphore>) -> Self {
        Self { of_document: Arc::new(Semaphore::new(1)), of_node }
    }

    /// Runs `work` of a weight, in bytes. Light work runs inline; heavy work waits for permits and runs on another thread.
    /// `within` limits each of the two: the wait and the work.
    ///
    /// # Errors
    /// [`EditError::Busy`] if no permit was free in time, [`EditError::TooMuchWork`] if the work was not done in time.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        weight: usize,
        within: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EditError> {
        if weight <= MAX_INLINE_BYTES {
            return Ok(work());
        }
        let permits = async {
            // The document's first, so that nobody holds one of the node's while waiting.
            let of_document = Arc::clone(&self.of_document).acquire_owned().await;
            (of_document, Arc::clone(&self.of_node).acquire_owned().await)
        };
        let permits = timeout(within, permits).await.map_err(|_elapsed| EditError::Busy)?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permits);
            done
        });
        let done = timeout(within, working).await.map_err(|_elapsed| EditError::TooMuchWork)?;
        Ok(done.map_err(|_panicked| LoadError::Aborted)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn abandoned_work_keeps_its_permits() {
        let permits = WorkPermits::new(Arc::new(Semaphore::new(2)));
        let (finish, finished) = mpsc::channel::<()>();
        let (heavy, soon, late) =
            (MAX_INLINE_BYTES + 1, Duration::from_millis(20), Duration::from_secs(10));
        let stuck = permits.run(heavy, soon, move || finished.recv()).await;
        assert!(matches!(stuck, Err(EditError::TooMuchWork)));
        assert!(matches!(permits.run(heavy, soon, || ()).await, Err(EditError::Busy)));
        // Light work and work on other documents go on.
        permits.run(1, soon, || ()).await.unwrap();
        let other = WorkPermits::new(Arc::clone(&permits.of_node));
        other.run(heavy, late, || ()).await.unwrap();
        finish.send(()).unwrap();
        permits.run(heavy, late, || ()).await.unwrap();
    }
}
