//! The bytes and values that an answer may have, spent while it is made.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicUsize, Ordering},
};

use async_graphql::Context;
use parking_lot::Mutex;
use thiserror::Error;

use super::turns::Turn;
use crate::{
    editing::loader::MAX_INLINE_BYTES,
    graphql::ApiError,
    memory::{MemoryExhausted, Reservation},
    wire::ErrorCode,
};

/// The most that an answer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerBounds {
    /// Bytes of JSON.
    pub bytes: usize,
    /// Values: fields and entries of lists.
    pub values: usize,
}

/// Why an answer was not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AnswerRefused {
    /// It would have become too large.
    #[error(
        "The answer would have more than {} bytes or {} values. Select fewer fields, or ask for less at a time.",
        .0.bytes, .0.values
    )]
    TooLarge(AnswerBounds),
    /// There is no memory for it.
    #[error(transparent)]
    Memory(#[from] MemoryExhausted),
}

impl AnswerRefused {
    /// Returns the code that the client receives.
    #[must_use]
    pub fn code(self) -> ErrorCode {
        match self {
            Self::TooLarge(_) => ErrorCode::BadUserInput,
            Self::Memory(MemoryExhausted::OfUser { .. }) => ErrorCode::RateLimited,
            Self::Memory(MemoryExhausted::OfNode) => ErrorCode::Unavailable,
        }
    }
}

/// What an answer may still have. The resolvers of one operation share it.
#[derive(Debug)]
pub(in crate::graphql) struct AnswerBudget {
    bounds: AnswerBounds,
    bytes: AtomicUsize,
    values: AtomicUsize,
    /// The first refusal. From then on nothing can be spent.
    refusal: OnceLock<AnswerRefused>,
    turn: Turn,
    /// The memory of a large answer.
    reservation: Mutex<Option<Reservation>>,
}

impl AnswerBudget {
    /// Returns a budget of which nothing is spent. `reservation` grows with the bytes of a large answer.
    pub(in crate::graphql) fn new(bounds: AnswerBounds, reservation: Reservation) -> Self {
        Self {
            bounds,
            bytes: AtomicUsize::new(bounds.bytes),
            values: AtomicUsize::new(bounds.values),
            refusal: OnceLock::new(),
            turn: Turn::new(),
            reservation: Mutex::new(Some(reservation)),
        }
    }

    /// Spends bytes of JSON, and reserves their memory if the answer is large.
    ///
    /// # Errors
    /// [`AnswerRefused`]; from then on nothing can be spent.
    pub(in crate::graphql) fn spend_bytes(&self, bytes: usize) -> Result<(), AnswerRefused> {
        self.spend(&self.bytes, bytes)?;
        let spent = self.bytes_spent();
        match self.reservation.lock().as_mut() {
            Some(reservation) if spent > MAX_INLINE_BYTES.max(reservation.bytes()) => {
                // In steps, so that not every small value asks for memory.
                let missing = (spent - reservation.bytes()).max(MAX_INLINE_BYTES);
                reservation.grow(missing).map_err(|error| self.refuse(error.into()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Spends values.
    ///
    /// # Errors
    /// [`AnswerRefused`]; from then on nothing can be spent.
    pub(in crate::graphql) fn spend_values(&self, values: usize) -> Result<(), AnswerRefused> {
        self.spend(&self.values, values)
    }

    /// Returns the most that the answer may have.
    pub(in crate::graphql) fn bounds(&self) -> AnswerBounds {
        self.bounds
    }

    /// Returns the bytes that were spent.
    pub(in crate::graphql) fn bytes_spent(&self) -> usize {
        self.bounds.bytes - self.bytes.load(Ordering::Relaxed)
    }

    /// Returns the reservation of a large answer, which has to last until the answer has been sent.
    pub(in crate::graphql) fn take_reservation(&self) -> Option<Reservation> {
        self.reservation.lock().take().filter(|reservation| reservation.bytes() > 0)
    }

    /// Checks that everything could be spent that had to be.
    ///
    /// # Errors
    /// The first refusal.
    pub(in crate::graphql) fn check(&self) -> Result<(), AnswerRefused> {
        self.refusal.get().map_or(Ok(()), |refusal| Err(*refusal))
    }

    pub(super) fn turn(&self) -> &Turn {
        &self.turn
    }

    fn spend(&self, left: &AtomicUsize, wanted: usize) -> Result<(), AnswerRefused> {
        self.check()?;
        let spent = left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(wanted));
        spent.map_err(|_left| self.refuse(AnswerRefused::TooLarge(self.bounds)))?;
        Ok(())
    }

    fn refuse(&self, refusal: AnswerRefused) -> AnswerRefused {
        *self.refusal.get_or_init(|| refusal)
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

/// Returns a budget for tests, with memory for every answer.
#[cfg(test)]
pub(super) fn budget(bytes: usize, values: usize) -> AnswerBudget {
    use crate::{
        domain::Party,
        memory::{MemoryAccount, MemoryBounds},
        metrics::Metrics,
    };
    let bounds = MemoryBounds { of_user: usize::MAX / 2, of_node: usize::MAX / 2 };
    let account = MemoryAccount::new(bounds, Metrics::new());
    AnswerBudget::new(AnswerBounds { bytes, values }, account.open(Party::Node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::Party,
        memory::{MemoryAccount, MemoryBounds},
        metrics::Metrics,
    };

    #[test]
    fn bytes_and_values_can_be_spent_up_to_their_bounds() {
        let budget = budget(10, 2);
        budget.spend_bytes(10).unwrap();
        budget.spend_values(1).unwrap();
        budget.spend_values(1).unwrap();
        assert_eq!(budget.bytes_spent(), 10);
        budget.check().unwrap();
        assert!(budget.spend_values(1).is_err());
    }

    #[test]
    fn nothing_can_be_spent_after_a_refusal() {
        let budget = budget(10, 2);
        let refused = budget.spend_bytes(11).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "The answer would have more than 10 bytes or 2 values. Select fewer fields, or ask for less at a time."
        );
        assert_eq!(budget.spend_bytes(1), Err(refused));
        assert_eq!(budget.spend_values(1), Err(refused));
        assert_eq!(budget.check(), Err(refused));
    }

    #[test]
    fn only_large_answers_reserve_memory() {
        let bounds = MemoryBounds { of_user: 300_000, of_node: 500_000 };
        let account = MemoryAccount::new(bounds, Metrics::new());
        let answer = || {
            let bounds = AnswerBounds { bytes: 1_000_000, values: 9 };
            AnswerBudget::new(bounds, account.open(Party::Node))
        };
        let (small, large) = (answer(), answer());
        small.spend_bytes(MAX_INLINE_BYTES).unwrap();
        assert!(small.take_reservation().is_none());
        large.spend_bytes(250_000).unwrap();
        let held = large.take_reservation().unwrap();
        assert_eq!(held.bytes(), 250_000);

        let refused = answer().spend_bytes(100_000).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::RateLimited);
        drop(held);
        answer().spend_bytes(100_000).unwrap();
    }
}
