//! The account of reserved memory.
//!
//! Invariant: a payer is given no more than what stays free for others. So however many payers hold as much as they can, one
//! more gets as much as each of them.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use super::{MemoryExhausted, MemoryUse};
use crate::{domain::Party, metrics::Metrics};

/// The most bytes that may be reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBounds {
    /// By one user.
    pub of_user: usize,
    /// By everybody together. One payer gets at most half of it.
    pub of_node: usize,
}

impl MemoryBounds {
    /// Any number of bytes.
    pub const UNLIMITED: Self = Self { of_user: usize::MAX, of_node: usize::MAX };
}

/// The memory of a node that is reserved for one use. Cheap to clone.
#[derive(Clone)]
pub struct MemoryAccount(Arc<AccountState>);

struct AccountState {
    purpose: MemoryUse,
    bounds: MemoryBounds,
    reserved: Mutex<Reserved>,
    /// Notified when memory is returned.
    returned: Notify,
    metrics: Metrics,
}

#[derive(Default)]
struct Reserved {
    total: usize,
    /// How much of that several users share.
    shared: usize,
    /// Only payers who have reserved something.
    by_payer: HashMap<Party, usize>,
}

/// What one reservation counts for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counted {
    /// For the payer: what is there, and what has been claimed.
    of_payer: usize,
    /// For the node: what is there.
    of_node: usize,
    /// How much of that several users share.
    shared: usize,
}

impl MemoryAccount {
    /// Returns an account of which nothing is reserved.
    #[must_use]
    pub fn new(purpose: MemoryUse, bounds: MemoryBounds, metrics: Metrics) -> Self {
        let (reserved, returned) = (Mutex::default(), Notify::new());
        Self(Arc::new(AccountState { purpose, bounds, reserved, returned, metrics }))
    }

    /// Returns the most bytes that may be reserved.
    #[must_use]
    pub fn bounds(&self) -> MemoryBounds {
        self.0.bounds
    }

    /// Returns a reservation of no bytes.
    #[must_use]
    pub fn open(&self, payer: Party) -> Reservation {
        Reservation { account: self.clone(), payer, counted: Counted::default() }
    }

    fn change(&self, payer: Party, before: Counted, after: Counted) -> Result<(), MemoryExhausted> {
        let AccountState { purpose, bounds: MemoryBounds { of_user, of_node }, .. } = *self.0;
        {
            let mut reserved = self.0.reserved.lock();
            let of_payer = reserved.by_payer.get(&payer).copied().unwrap_or_default();
            let of_payer = of_payer - before.of_payer + after.of_payer;
            let total = reserved.total - before.of_node + after.of_node;
            if after.of_payer > before.of_payer && of_payer > of_user {
                return Err(MemoryExhausted::OfUser { purpose, max: of_user });
            }
            let free = of_node.saturating_sub(total);
            if after.of_node > before.of_node && (total > of_node || of_payer > free) {
                return Err(MemoryExhausted::OfNode { purpose });
            }
            let shared = reserved.shared - before.shared + after.shared;
            if after.shared > before.shared && shared > of_node / 2 {
                return Err(MemoryExhausted::OfNode { purpose });
            }
            reserved.shared = shared;
            if of_payer == 0 {
                reserved.by_payer.remove(&payer);
            } else {
                reserved.by_payer.insert(payer, of_payer);
            }
            reserved.total = total;
            match purpose {
                MemoryUse::Answers => self.0.metrics.answers_hold(total),
                MemoryUse::Messages => self.0.metrics.messages_hold(total),
            }
        }
        if after.of_payer < before.of_payer || after.of_node < before.of_node {
            self.0.returned.notify_waiters();
        }
        Ok(())
    }
}

/// Reserved memory, which is returned when this is dropped.
pub struct Reservation {
    account: MemoryAccount,
    payer: Party,
    counted: Counted,
}

impl Reservation {
    /// Returns the reserved bytes, without those that are only claimed.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.counted.of_node
    }

    /// Reserves more bytes.
    ///
    /// # Errors
    /// [`MemoryExhausted`]; nothing more is reserved then.
    pub fn grow(&mut self, bytes: usize) -> Result<(), MemoryExhausted> {
        let of_node = self.counted.of_node.saturating_add(bytes);
        let of_payer = self.counted.of_payer.max(of_node);
        self.change(Counted { of_node, of_payer, ..self.counted })
    }

    /// Counts bytes in total for the payer alone, who has announced them. They count for the node when they arrive and the
    /// reservation grows. So bytes that are announced and not sent cost only the one who announced them.
    ///
    /// # Errors
    /// [`MemoryExhausted::OfUser`]; nothing more is claimed then.
    pub fn claim(&mut self, total: usize) -> Result<(), MemoryExhausted> {
        self.change(Counted { of_payer: self.counted.of_payer.max(total), ..self.counted })
    }

    /// Claims `claimed` bytes in total and reserves `bytes` more. Waits until others have returned as much, at most `within`.
    ///
    /// # Errors
    /// [`MemoryExhausted`]: they have not.
    ///
    /// # Cancel safety
    /// When the future is dropped, it has claimed and reserved all of it or nothing of the part that it waited for.
    pub async fn grow_within(
        &mut self,
        claimed: usize,
        bytes: usize,
        within: Duration,
    ) -> Result<(), MemoryExhausted> {
        self.retry(within, |reservation| {
            reservation.claim(claimed).and_then(|()| reservation.grow(bytes))
        })
        .await
    }

    /// Counts bytes in total for the node alone, because several users share them. Each of these claims them in a reservation of
    /// its own. At most half of the memory is shared, so the rest stays for what only one user waits for. Waits until others have returned as much, at most `within`. Returns what is reserved beyond `total`.
    ///
    /// # Errors
    /// [`MemoryExhausted::OfNode`]: they have not.
    ///
    /// # Cancel safety
    /// When the future is dropped, nothing has changed or all of it.
    pub async fn share_within(
        &mut self,
        total: usize,
        within: Duration,
    ) -> Result<(), MemoryExhausted> {
        // One that is larger than that counts as much as there can be.
        let total = total.min(self.account.0.bounds.of_node / 2);
        let after = Counted { of_node: total, shared: total, ..self.counted };
        self.retry(within, |reservation| reservation.change(after)).await
    }

    /// Calls `attempt` whenever others have returned memory, until it succeeds, at most `within`.
    async fn retry(
        &mut self,
        within: Duration,
        attempt: impl Fn(&mut Self) -> Result<(), MemoryExhausted>,
    ) -> Result<(), MemoryExhausted> {
        let (account, deadline) = (self.account.clone(), Instant::now() + within);
        loop {
            let mut returned = std::pin::pin!(account.0.returned.notified());
            // From here on it is notified, so nothing is missed between the attempt and the wait.
            returned.as_mut().enable();
            let Err(refused) = attempt(self) else { return Ok(()) };
            if timeout_at(deadline, returned).await.is_err() {
                return Err(refused);
            }
        }
    }

    fn change(&mut self, after: Counted) -> Result<(), MemoryExhausted> {
        self.account.change(self.payer, self.counted, after)?;
        self.counted = after;
        Ok(())
    }

    /// Divides it for bytes that others will share: into what counts for the payer, and what counts for the node.
    #[must_use]
    pub fn divide(mut self) -> (Self, Self) {
        let Counted { of_payer, of_node, shared } = std::mem::take(&mut self.counted);
        let part = |payer, counted| Self { account: self.account.clone(), payer, counted };
        let claim = part(self.payer, Counted { of_payer, ..Counted::default() });
        (claim, part(Party::Node, Counted { of_payer: 0, of_node, shared }))
    }

    /// Returns what is reserved beyond `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        let Counted { of_payer, of_node, shared } = self.counted;
        // Returning memory cannot fail.
        let _returned = self.change(Counted {
            of_payer: of_payer.min(bytes),
            of_node: of_node.min(bytes),
            shared: shared.min(bytes),
        });
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // Returning memory cannot fail.
        let _returned = self.change(Counted::default());
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("counted", &self.counted).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, poll};

    use super::*;
    use crate::domain::UserId;

    fn account() -> MemoryAccount {
        let bounds = MemoryBounds { of_user: 100, of_node: 300 };
        MemoryAccount::new(MemoryUse::Messages, bounds, Metrics::new())
    }

    fn parties() -> [Party; 2] {
        [(); 2].map(|()| Party::User(UserId::new()))
    }

    const OF_USER: MemoryExhausted =
        MemoryExhausted::OfUser { purpose: MemoryUse::Messages, max: 100 };
    const OF_NODE: MemoryExhausted = MemoryExhausted::OfNode { purpose: MemoryUse::Messages };

    #[test]
    fn a_user_and_the_node_have_bounds() {
        let account = account();
        let [ana, bo] = parties();
        let (mut first, mut second, mut other) =
            (account.open(ana), account.open(ana), account.open(bo));
        first.grow(60).unwrap();
        second.grow(40).unwrap();
        assert_eq!(second.grow(1), Err(OF_USER));
        assert_eq!(second.bytes(), 40);
        other.grow(100).unwrap();
        drop(second);
        first.grow(40).unwrap();
    }

    #[test]
    fn payers_who_hold_all_they_can_leave_as_much_for_another() {
        let account = account();
        let [ana, bo] = parties();
        let mut held: Vec<_> = [ana, bo].map(|payer| account.open(payer)).into();
        for reservation in &mut held {
            reservation.grow(100).unwrap();
        }
        let mut third = account.open(parties()[0]);
        third.grow(50).unwrap();
        assert_eq!(third.grow(1), Err(OF_NODE));
        assert_eq!(held[0].grow(0), Ok(()));
        let mut fourth = account.open(parties()[0]);
        fourth.grow(25).unwrap();
        assert_eq!(fourth.grow(1), Err(OF_NODE));
        held.clear();
        third.grow(50).unwrap();
    }

    #[test]
    fn a_divided_reservation_counts_as_before_until_each_part_is_dropped() {
        let account = account();
        let [ana, bo] = parties();
        let mut whole = account.open(ana);
        whole.grow(80).unwrap();
        let (claim, of_node) = whole.divide();
        assert_eq!((claim.bytes(), of_node.bytes()), (0, 80));
        assert_eq!(account.open(ana).grow(21), Err(OF_USER));
        drop(claim);
        account.open(ana).grow(100).unwrap();
        let mut others: Vec<_> = [bo, parties()[0]].map(|payer| account.open(payer)).into();
        others[0].grow(100).unwrap();
        assert_eq!(others[1].grow(100), Err(OF_NODE));
        drop(of_node);
        others[1].grow(100).unwrap();
    }

    #[test]
    fn claimed_bytes_count_for_their_payer_until_they_are_there() {
        let account = account();
        let [ana, bo] = parties();
        let (mut first, mut second, mut other) =
            (account.open(ana), account.open(ana), account.open(bo));
        first.claim(80).unwrap();
        assert_eq!(first.bytes(), 0);
        assert_eq!(second.grow(21), Err(OF_USER));
        other.grow(100).unwrap();
        let mut third = account.open(parties()[0]);
        third.grow(90).unwrap();
        assert_eq!(first.grow(40), Err(OF_NODE));
        drop((other, third));
        first.grow(80).unwrap();
        assert_eq!((first.bytes(), second.grow(21)), (80, Err(OF_USER)));
        drop(first);
        second.grow(100).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_waits_gets_memory_when_another_returns_it() {
        let account = account();
        let [ana, _] = parties();
        let (mut first, mut second) = (account.open(ana), account.open(ana));
        first.grow(60).unwrap();
        {
            let mut waiting = std::pin::pin!(second.grow_within(70, 10, Duration::from_secs(9)));
            assert!(poll!(&mut waiting).is_pending());
            drop(first);
            waiting.now_or_never().unwrap().unwrap();
        }
        assert_eq!(second.bytes(), 10);
        let mut third = account.open(ana);
        assert_eq!(third.grow_within(31, 1, Duration::from_secs(9)).await, Err(OF_USER));
    }

    #[tokio::test(start_paused = true)]
    async fn shared_bytes_count_for_the_node_once_and_for_each_user_who_claims_them() {
        let account = account();
        let [ana, bo] = parties();
        let mut shared = account.open(Party::Node);
        shared.share_within(140, Duration::ZERO).await.unwrap();
        let mut claims = [ana, bo].map(|user| account.open(user));
        for claim in &mut claims {
            claim.claim(90).unwrap();
        }
        assert_eq!(account.open(ana).claim(11), Err(OF_USER));
        assert_eq!(account.open(Party::Node).grow(100), Err(OF_NODE));
        let long = Duration::from_secs(9);
        assert_eq!(account.open(Party::Node).share_within(11, long).await, Err(OF_NODE));
        shared.share_within(40, Duration::ZERO).await.unwrap();
        assert_eq!(shared.bytes(), 40);
        drop((shared, claims));
        account.open(ana).grow(100).unwrap();
    }

    #[test]
    fn everything_is_returned() {
        let account = account();
        let mut held: Vec<_> = (0..3).map(|_| account.open(Party::Node)).collect();
        for reservation in &mut held {
            reservation.grow(10).unwrap();
            reservation.claim(30).unwrap();
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
