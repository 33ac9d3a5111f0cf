//! The account of reserved memory.

use std::{collections::HashMap, fmt, sync::Arc};

use parking_lot::Mutex;
use thiserror::Error;

use crate::{domain::Party, metrics::Metrics};

/// The most bytes that may be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBounds {
    /// By one user.
    pub of_user: usize,
    /// By everybody together.
    pub of_node: usize,
}

/// Why memory cannot be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MemoryExhausted {
    /// The user has reserved too much.
    #[error(
        "Your answers that are not received yet would have more than {max} bytes. Receive some of them first, then try again."
    )]
    OfUser {
        /// The most bytes of a user.
        max: usize,
    },
    /// Everybody together has reserved too much.
    #[error("The server holds too many answers that are not received yet. Try again in a moment.")]
    OfNode,
}

/// The reserved memory of a node. Cheap to clone.
#[derive(Clone)]
pub struct MemoryAccount(Arc<AccountState>);

struct AccountState {
    bounds: MemoryBounds,
    reserved: Mutex<Reserved>,
    metrics: Metrics,
}

#[derive(Default)]
struct Reserved {
    total: usize,
    /// Only payers who have reserved something.
    by_payer: HashMap<Party, usize>,
}

impl MemoryAccount {
    /// Returns an account of which nothing is reserved.
    #[must_use]
    pub fn new(bounds: MemoryBounds, metrics: Metrics) -> Self {
        Self(Arc::new(AccountState { bounds, reserved: Mutex::default(), metrics }))
    }

    /// Returns a reservation of no bytes.
    #[must_use]
    pub fn open(&self, payer: Party) -> Reservation {
        Reservation { account: self.clone(), payer, bytes: 0 }
    }

    fn change(&self, payer: Party, before: usize, after: usize) -> Result<(), MemoryExhausted> {
        let MemoryBounds { of_user, of_node } = self.0.bounds;
        let mut reserved = self.0.reserved.lock();
        let of_payer = reserved.by_payer.get(&payer).copied().unwrap_or_default();
        let (of_payer, total) = (of_payer - before + after, reserved.total - before + after);
        if after > before && of_payer > of_user {
            return Err(MemoryExhausted::OfUser { max: of_user });
        }
        if after > before && total > of_node {
            return Err(MemoryExhausted::OfNode);
        }
        if of_payer == 0 {
            reserved.by_payer.remove(&payer);
        } else {
            reserved.by_payer.insert(payer, of_payer);
        }
        reserved.total = total;
        self.0.metrics.answers_hold(total);
        Ok(())
    }
}

/// Reserved memory, which is returned when this is dropped.
pub struct Reservation {
    account: MemoryAccount,
    payer: Party,
    bytes: usize,
}

impl Reservation {
    /// Returns the reserved bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reserves more bytes.
    ///
    /// # Errors
    /// [`MemoryExhausted`]; nothing more is reserved then.
    pub fn grow(&mut self, bytes: usize) -> Result<(), MemoryExhausted> {
        let after = self.bytes.saturating_add(bytes);
        self.account.change(self.payer, self.bytes, after)?;
        self.bytes = after;
        Ok(())
    }

    /// Returns what is reserved beyond `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let after = self.bytes.min(bytes);
        // Returning memory cannot fail.
        let _returned = self.account.change(self.payer, self.bytes, after);
        self.bytes = after;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // Returning memory cannot fail.
        let _returned = self.account.change(self.payer, self.bytes, 0);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::UserId;

    fn account() -> MemoryAccount {
        MemoryAccount::new(MemoryBounds { of_user: 100, of_node: 150 }, Metrics::new())
    }

    #[test]
    fn a_user_and_the_node_have_bounds() {
        let account = account();
        let (ana, bo) = (Party::User(UserId::new()), Party::User(UserId::new()));
        let (mut first, mut second, mut other) =
            (account.open(ana), account.open(ana), account.open(bo));
        first.grow(60).unwrap();
        second.grow(40).unwrap();
        assert_eq!(second.grow(1), Err(MemoryExhausted::OfUser { max: 100 }));
        assert_eq!(second.bytes(), 40);
        other.grow(50).unwrap();
        assert_eq!(other.grow(1), Err(MemoryExhausted::OfNode));
        drop(second);
        other.grow(40).unwrap();
    }

    #[test]
    fn everything_is_returned() {
        let account = account();
        let mut held: Vec<_> = (0..3).map(|_| account.open(Party::Node)).collect();
        for reservation in &mut held {
            reservation.grow(10).unwrap();
            reservation.grow(10).unwrap();
        }
        drop(held);
        let mut shrunk = account.open(Party::Node);
        shrunk.grow(10).unwrap();
        shrunk.shrink_to(20);
        shrunk.shrink_to(4);
        assert_eq!((shrunk.bytes(), account.0.reserved.lock().total), (4, 4));
        drop(shrunk);
        let reserved = account.0.reserved.lock();
        assert!(reserved.total == 0 && reserved.by_payer.is_empty());
    }
}
