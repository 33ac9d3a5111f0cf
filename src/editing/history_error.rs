//! Why the history of a document cannot be looked through.

use thiserror::Error;

use super::LoadError;
use crate::{domain::Exhausted, store::StoreError};

/// Why versions were not compared, or the authors of a document not found.
#[derive(Debug, Clone, Error)]
pub enum HistoryError {
    /// A version cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It is too much work. The same request would fail again.
    #[error("it takes too much work: {0}")]
    TooMuchWork(Exhausted),
}

impl From<StoreError> for HistoryError {
    fn from(error: StoreError) -> Self {
        Self::Load(error.into())
    }
}

impl From<Exhausted> for HistoryError {
    fn from(exhausted: Exhausted) -> Self {
        Self::TooMuchWork(exhausted)
    }
}
