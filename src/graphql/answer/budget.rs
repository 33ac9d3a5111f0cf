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

/// The memory of a field or an entry of a list before it is written, without its text. With its key it takes some 100 bytes in
/// the tree of the answer.
const VALUE_BYTES: usize = 128;

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
            Self::Memory(exhausted) => exhausted.code(),
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

    /// Spends bytes of JSON, and reserves the memory of a large answer.
    ///
    /// # Errors
    /// [`AnswerRefused`]; from then on nothing can be spent.
    pub(in crate::graphql) fn spend_bytes(&self, bytes: usize) -> Result<(), AnswerRefused> {
        self.spend(&self.bytes, bytes)?;
        self.reserve()
    }

    /// Spends values, and reserves the memory of a large answer.
    ///
    /// # Errors
    /// [`AnswerRefused`]; from then on nothing can be spent.
    pub(in crate::graphql) fn spend_values(&self, values: usize) -> Result<(), AnswerRefused> {
        self.spend(&self.values, values)?;
        self.reserve()
    }

    /// Reserves the memory of what was spent, if it is large.
    fn reserve(&self) -> Result<(), AnswerRefused> {
        let values = self.bounds.values - self.values.load(Ordering::Relaxed);
        let spent = self.bytes_spent().saturating_add(values.saturating_mul(VALUE_BYTES));
        // Before the lock is taken: most answers are small.
        if spent <= MAX_INLINE_BYTES {
            return Ok(());
        }
        match self.reservation.lock().as_mut() {
            Some(reservation) if spent > reservation.bytes() => {
                // In steps, so that not every small value asks for memory.
                let missing = (spent - reservation.bytes()).max(MAX_INLINE_BYTES);
                reservation.grow(missing).map_err(|error| self.refuse(error.into()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Returns the most that the answer may have.
    pub(in crate::graphql) fn bounds(&self) -> AnswerBounds {
        self.bounds
    }

    /// Returns the bytes that may still be spent.
    pub(in crate::graphql) fn bytes_left(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Refuses an answer that would become too large. From then on nothing can be spent.
    pub(in crate::graphql) fn refuse_too_large(&self) -> AnswerRefused {
        self.refuse(AnswerRefused::TooLarge(self.bounds))
    }

    /// Returns the bytes that were spent.
    pub(in crate::graphql) fn bytes_spent(&self) -> usize {
        self.bounds.bytes - self.bytes.load(Ordering::Relaxed)
    }

    /// Returns the reservation of an answer that was written as `bytes` bytes of JSON: it no longer has values, and a small
    /// one needs no reservation. It has to last until the answer has been sent.
    pub(in crate::graphql) fn take_reservation(&self, bytes: usize) -> Option<Reservation> {
        let mut reservation = self.reservation.lock().take()?;
        reservation.shrink_to(bytes);
        Some(reservation).filter(|_reservation| bytes > MAX_INLINE_BYTES)
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
        spent.map_err(|_left| self.refuse_too_large())?;
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
        memory::{MemoryAccount, MemoryBounds, MemoryUse},
        metrics::Metrics,
    };
    let bounds = MemoryBounds { of_user: usize::MAX / 2, of_node: usize::MAX / 2 };
    let account = MemoryAccount::new(MemoryUse::Answers, bounds, Metrics::new());
    AnswerBudget::new(AnswerBounds { bytes, values }, account.open(Party::Node))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::Party,
        memory::{MemoryAccount, MemoryBounds, MemoryUse},
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
        let bounds = MemoryBounds { of_user: 300_000, of_node: 600_000 };
        let account = MemoryAccount::new(MemoryUse::Answers, bounds, Metrics::new());
        let answer = || {
            let bounds = AnswerBounds { bytes: 1_000_000, values: 9 };
            AnswerBudget::new(bounds, account.open(Party::Node))
        };
        let (small, large) = (answer(), answer());
        small.spend_bytes(MAX_INLINE_BYTES).unwrap();
        assert!(small.take_reservation(MAX_INLINE_BYTES).is_none());
        large.spend_bytes(250_000).unwrap();
        let held = large.take_reservation(240_000).unwrap();
        assert_eq!(held.bytes(), 240_000);

        let refused = answer().spend_bytes(100_000).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::RateLimited);
        drop(held);
        answer().spend_bytes(100_000).unwrap();
    }

    #[test]
    fn values_take_memory_until_they_are_written() {
        let bounds = MemoryBounds { of_user: 300_000, of_node: 600_000 };
        let account = MemoryAccount::new(MemoryUse::Answers, bounds, Metrics::new());
        let answer = || {
            let bounds = AnswerBounds { bytes: 1_000_000, values: 100_000 };
            AnswerBudget::new(bounds, account.open(Party::Node))
        };
        let (one, other) = (answer(), answer());
        one.spend_values(2_000).unwrap();
        let refused = other.spend_values(2_000).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::RateLimited);
        // `{"a":true}` for each is little.
        let held = one.take_reservation(20_000);
        assert!(held.is_none());
        answer().spend_values(2_000).unwrap();
    }
}
