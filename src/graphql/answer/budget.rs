//! The bytes and values that an answer may have, spent while it is made.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_graphql::Context;
use thiserror::Error;

use super::turns::Turn;
use crate::graphql::ApiError;

/// The most that an answer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::graphql) struct AnswerBounds {
    /// Bytes of JSON.
    pub(in crate::graphql) bytes: usize,
    /// Values: fields and entries of lists.
    pub(in crate::graphql) values: usize,
}

/// The answer would have become too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "The answer would have more than {} bytes or {} values. Select fewer fields, or ask for less at a time.",
    bounds.bytes, bounds.values
)]
pub struct AnswerTooLarge {
    bounds: AnswerBounds,
}

/// What an answer may still have. The resolvers of one operation share it.
#[derive(Debug)]
pub(in crate::graphql) struct AnswerBudget {
    bounds: AnswerBounds,
    bytes: AtomicUsize,
    values: AtomicUsize,
    is_exhausted: AtomicBool,
    turn: Turn,
}

impl AnswerBudget {
    /// Returns a budget of which nothing is spent.
    pub(in crate::graphql) fn new(bounds: AnswerBounds) -> Self {
        Self {
            bounds,
            bytes: AtomicUsize::new(bounds.bytes),
            values: AtomicUsize::new(bounds.values),
            is_exhausted: AtomicBool::new(false),
            turn: Turn::new(),
        }
    }

    /// Spends bytes of JSON.
    ///
    /// # Errors
    /// [`AnswerTooLarge`] if fewer are left. From then on nothing can be spent.
    pub(in crate::graphql) fn spend_bytes(&self, bytes: usize) -> Result<(), AnswerTooLarge> {
        self.spend(&self.bytes, bytes)
    }

    /// Spends values.
    ///
    /// # Errors
    /// [`AnswerTooLarge`] if fewer are left. From then on nothing can be spent.
    pub(in crate::graphql) fn spend_values(&self, values: usize) -> Result<(), AnswerTooLarge> {
        self.spend(&self.values, values)
    }

    /// Returns the most that the answer may have.
    pub(in crate::graphql) fn bounds(&self) -> AnswerBounds {
        self.bounds
    }

    /// Returns the bytes that are left.
    pub(in crate::graphql) fn bytes_left(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns the bytes that were spent.
    pub(in crate::graphql) fn bytes_spent(&self) -> usize {
        self.bounds.bytes - self.bytes_left()
    }

    /// Checks that everything could be spent that had to be.
    ///
    /// # Errors
    /// [`AnswerTooLarge`] if something could not.
    pub(in crate::graphql) fn check(&self) -> Result<(), AnswerTooLarge> {
        if self.is_exhausted.load(Ordering::Relaxed) { Err(self.too_large()) } else { Ok(()) }
    }

    /// Returns the error of an answer that passes the bounds.
    pub(in crate::graphql) fn too_large(&self) -> AnswerTooLarge {
        AnswerTooLarge { bounds: self.bounds }
    }

    pub(super) fn turn(&self) -> &Turn {
        &self.turn
    }

    fn spend(&self, left: &AtomicUsize, wanted: usize) -> Result<(), AnswerTooLarge> {
        self.check()?;
        // One task polls all resolvers of an operation, so nothing is spent between the two steps.
        let Some(rest) = left.load(Ordering::Relaxed).checked_sub(wanted) else {
            self.is_exhausted.store(true, Ordering::Relaxed);
            return Err(self.too_large());
        };
        left.store(rest, Ordering::Relaxed);
        Ok(())
    }
}

/// Returns the budget of the answer of `ctx`.
///
/// # Errors
/// [`ApiError::SchemaOnly`]: there is no operation.
pub(in crate::graphql) fn answer_budget<'a>(
    ctx: &Context<'a>,
) -> Result<&'a AnswerBudget, ApiError> {
    ctx.data_opt::<Arc<AnswerBudget>>().map(AsRef::as_ref).ok_or(ApiError::SchemaOnly)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_values_can_be_spent_up_to_their_bounds() {
        let budget = AnswerBudget::new(AnswerBounds { bytes: 10, values: 2 });
        budget.spend_bytes(10).unwrap();
        budget.spend_values(1).unwrap();
        budget.spend_values(1).unwrap();
        assert_eq!((budget.bytes_left(), budget.bytes_spent()), (0, 10));
        budget.check().unwrap();
        assert!(budget.spend_values(1).is_err());
    }

    #[test]
    fn nothing_can_be_spent_after_a_refusal() {
        let budget = AnswerBudget::new(AnswerBounds { bytes: 10, values: 2 });
        let refused = budget.spend_bytes(11).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "The answer would have more than 10 bytes or 2 values. Select fewer fields, or ask for less at a time."
        );
        assert_eq!(budget.spend_bytes(1), Err(refused));
        assert_eq!(budget.spend_values(1), Err(refused));
        assert_eq!(budget.check(), Err(refused));
    }
}
