//! Documents that are too heavy to be loaded.
//!
//! Loading such a document takes a place for as long as its budget lasts, so it is not tried again for a while. Everyone who
//! asks for the document receives the reason at once. `coscribe compact` repairs such a document.

use std::{collections::HashMap, ops::RangeInclusive, time::Duration};

use parking_lot::Mutex;
use thiserror::Error;
use tokio::time::Instant;

use crate::{
    domain::{DocumentId, Version},
    metrics::Metrics,
};

/// How long a document is not loaded again.
const CLOSED_FOR: Duration = Duration::from_mins(10);

/// The most documents that are remembered. Of more, those closed off longest are forgotten.
const MAX_DOCUMENTS: usize = 4_096;

/// Why a document is too heavy to be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TooHeavy {
    /// It has too many structs, so it would take too much memory.
    #[error("it has more than {limit} structs")]
    Structs {
        /// The most that a document may have to be loaded.
        limit: u64,
    },
    /// Loading it takes too long.
    #[error("loading it takes longer than {} s", limit.as_secs())]
    Time {
        /// The time that loading may take.
        limit: Duration,
    },
}

/// A document that is closed off.
#[derive(Debug)]
struct Closed {
    cause: TooHeavy,
    /// The versions that are loaded from the snapshot that is too heavy, as far as is known.
    versions: RangeInclusive<Version>,
    at: Instant,
}

/// The documents that are closed off on this node.
pub(super) struct ClosedOff {
    closed: Mutex<HashMap<DocumentId, Closed>>,
    metrics: Metrics,
}

impl ClosedOff {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { closed: Mutex::default(), metrics }
    }

    /// Returns an error if the document was closed off at this version a short time ago.
    ///
    /// # Errors
    /// [`TooHeavy`].
    pub(super) fn check(&self, document: DocumentId, version: Version) -> Result<(), TooHeavy> {
        let closed = self.closed.lock();
        let Some(closed) = closed.get(&document) else { return Ok(()) };
        let is_closed = closed.versions.contains(&version) && closed.at.elapsed() < CLOSED_FOR;
        if is_closed { Err(closed.cause) } else { Ok(()) }
    }

    /// Closes a document off at the versions that are loaded from one snapshot.
    pub(super) fn close(
        &self,
        document: DocumentId,
        versions: RangeInclusive<Version>,
        cause: TooHeavy,
    ) {
        self.metrics.document_closed_off();
        tracing::error!(
            document.id = %document, version = %versions.end(), %cause,
            "a document is too heavy to be loaded and is closed off; repair it with `coscribe compact`"
        );
        let mut closed = self.closed.lock();
        if closed.len() >= MAX_DOCUMENTS
            && let Some(oldest) =
                closed.iter().min_by_key(|(_, closed)| closed.at).map(|(document, _)| *document)
        {
            closed.remove(&oldest);
        }
        closed.insert(document, Closed { cause, versions, at: Instant::now() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSE: TooHeavy = TooHeavy::Structs { limit: 1 };

    #[tokio::test(start_paused = true)]
    async fn a_document_is_closed_off_for_a_while_at_the_versions_of_one_snapshot() {
        let (closed, document) = (ClosedOff::new(Metrics::new()), DocumentId::new());
        closed.close(document, Version::new(3)..=Version::new(5), CAUSE);
        let at = |version| closed.check(document, Version::new(version));
        assert_eq!([2, 3, 5, 6].map(at), [Ok(()), Err(CAUSE), Err(CAUSE), Ok(())]);
        assert_eq!(closed.check(DocumentId::new(), Version::new(4)), Ok(()));
        tokio::time::advance(CLOSED_FOR).await;
        assert_eq!(at(4), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_bounded_number_of_documents_is_remembered() {
        let (closed, first) = (ClosedOff::new(Metrics::new()), DocumentId::new());
        closed.close(first, Version::FIRST..=Version::FIRST, CAUSE);
        tokio::time::advance(Duration::from_millis(1)).await;
        for _ in 0..MAX_DOCUMENTS {
            closed.close(DocumentId::new(), Version::FIRST..=Version::FIRST, CAUSE);
        }
        assert_eq!(closed.check(first, Version::FIRST), Ok(()));
        assert_eq!(closed.closed.lock().len(), MAX_DOCUMENTS);
    }
}
