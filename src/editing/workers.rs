//! Where large texts are worked on: threads of their own, a few at a time.
//!
//! Work that takes too long is not waited for, but it cannot be stopped either. So its place is taken until it is done:
//! one of a document, and one of the node. Whoever makes such work holds up his own document and no other.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

use super::{EditError, LoadError, loader::MAX_INLINE_BYTES};

/// The places that the work on one document may take.
#[derive(Clone)]
pub(crate) struct WorkPermits {
    of_document: Arc<Semaphore>,
    of_node: Arc<Semaphore>,
}

impl WorkPermits {
    /// For a document, of those of a node.
    pub(crate) fn new(of_node: Arc<Semaphore>) -> Self {
        Self { of_document: Arc::new(Semaphore::new(1)), of_node }
    }

    /// Does work of some weight, in bytes: a little where it stands, more on a thread of its own, for at most so long.
    ///
    /// # Errors
    /// [`EditError::Busy`] when there was no place in time, [`EditError::TooMuchWork`] when it was not done in time.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        weight: usize,
        within: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, EditError> {
        if weight <= MAX_INLINE_BYTES {
            return Ok(work());
        }
        let places = async {
            // The document's own first, so that nobody holds one of the node's while he waits.
            let of_document = Arc::clone(&self.of_document).acquire_owned().await;
            (of_document, Arc::clone(&self.of_node).acquire_owned().await)
        };
        let places = timeout(within, places).await.map_err(|_elapsed| EditError::Busy)?;
        let working = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(places);
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
    async fn work_that_nobody_waits_for_any_more_keeps_its_place() {
        let benches = WorkPermits::new(Arc::new(Semaphore::new(2)));
        let (finish, finished) = mpsc::channel::<()>();
        let (heavy, soon, late) =
            (MAX_INLINE_BYTES + 1, Duration::from_millis(20), Duration::from_secs(10));
        let stuck = benches.work(heavy, soon, move || finished.recv()).await;
        assert!(matches!(stuck, Err(EditError::TooMuchWork)));
        assert!(matches!(benches.work(heavy, soon, || ()).await, Err(EditError::Busy)));
        // A little is done all the same, and so is the work of others.
        benches.work(1, soon, || ()).await.unwrap();
        let other = WorkPermits::new(Arc::clone(&benches.of_node));
        other.work(heavy, late, || ()).await.unwrap();
        finish.send(()).unwrap();
        benches.work(heavy, late, || ()).await.unwrap();
    }
}
