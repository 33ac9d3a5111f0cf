//! The budget of one piece of work on a text.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use thiserror::Error;

/// The number of steps that a piece of work may still do. The work spends it while it runs. The task that waits for the work
/// may stop it.
///
/// Clones share the budget.
#[derive(Debug, Clone)]
pub struct Budget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    steps: AtomicU64,
    is_stopped: AtomicBool,
}

/// Why work must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Exhausted {
    /// It needs more steps than it may take. The same work would fail again.
    #[error("the work needs too many steps")]
    Steps,
    /// Nobody waits for it any longer.
    #[error("the work was stopped")]
    Stopped,
}

impl Budget {
    /// Returns a budget of this many steps.
    #[must_use]
    pub fn new(steps: u64) -> Self {
        let (steps, is_stopped) = (AtomicU64::new(steps), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { steps, is_stopped }) }
    }

    /// Returns a budget without end. The work can still be stopped.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(u64::MAX)
    }

    /// Spends `steps` of the budget. Call it before the work, at least once for each few milliseconds of it.
    ///
    /// # Errors
    /// [`Exhausted`] if fewer steps are left or the work was stopped.
    pub fn spend(&self, steps: usize) -> Result<(), Exhausted> {
        if self.is_stopped() {
            return Err(Exhausted::Stopped);
        }
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        let left = &self.shared.steps;
        let spent =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(steps));
        spent.map(|_before| ()).map_err(|_left| Exhausted::Steps)
    }

    /// Returns whether the work was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.shared.is_stopped.load(Ordering::Relaxed)
    }

    /// Stops the work: the next attempt to spend fails.
    pub fn stop(&self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_shared_and_ends() {
        let budget = Budget::new(10);
        let shared = budget.clone();
        assert_eq!(budget.spend(7), Ok(()));
        assert_eq!(shared.spend(4), Err(Exhausted::Steps));
        assert_eq!(shared.spend(3), Ok(()));
        assert_eq!(budget.spend(1), Err(Exhausted::Steps));
    }

    #[test]
    fn stopped_work_spends_nothing() {
        let budget = Budget::new(10);
        budget.clone().stop();
        assert_eq!(budget.spend(0), Err(Exhausted::Stopped));
    }
}
