//! The turns of an operation with a large answer. After some values it lets other tasks of its thread run, and continues
//! when it is its turn again. Parties have turns one after the other, so that any number of such operations of one delays those
//! of another by one turn.

use std::{
    pin::{Pin, pin},
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll},
};

use futures_util::future::{BoxFuture, join, poll_fn};

use super::AnswerBudget;
use crate::{
    domain::Party,
    fair_queue::{FairPermit, FairQueue},
};

/// The values that are resolved in one turn, which takes about a millisecond.
const VALUES: usize = 1_000;

/// The values that may still be resolved in this turn.
#[derive(Debug)]
pub(super) struct Turn(AtomicUsize);

impl Turn {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(VALUES))
    }

    fn begin(&self) {
        self.0.store(VALUES, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Waits until a value may be resolved. While one waits, so do all the others of the operation.
    pub(super) async fn take(&self) {
        poll_fn(|cx: &mut Context<'_>| {
            if self.is_over() {
                // The operation polls this again in its next turn.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.0.fetch_sub(1, Ordering::Relaxed);
            Poll::Ready(())
        })
        .await;
    }
}

/// Runs the resolvers of a party that spend `budget`. The first turn begins at once, with the permit that it has perhaps waited
/// for. Each further one begins when it is the party's turn, without a bound or a deadline: a mutation that has begun must not
/// end in between.
pub(in crate::graphql) async fn in_turns<T>(
    budget: &AnswerBudget,
    turns: &FairQueue<Party>,
    party: Party,
    mut permit: Option<FairPermit<Party>>,
    mut resolving: BoxFuture<'_, T>,
) -> T {
    let turn = budget.turn();
    loop {
        // Not at every poll: an operation that waits for something else would never end its turn.
        turn.begin();
        let resolved = poll_fn(|cx| match Pin::new(&mut resolving).poll(cx) {
            Poll::Ready(resolved) => Poll::Ready(Some(resolved)),
            Poll::Pending if turn.is_over() => Poll::Ready(None),
            Poll::Pending => {
                // It waits for something else, and others need not wait for that.
                permit = None;
                Poll::Pending
            }
        })
        .await;
        if let Some(resolved) = resolved {
            return resolved;
        }
        // It waits for its next turn before it ends this one, so that a party with many operations does not come between.
        let end = async {
            drop(permit.take());
            // Without the yield, an operation that is alone would not let other tasks run.
            tokio::task::yield_now().await;
        };
        let (next, ()) = join(turns.acquire(party), end).await;
        // The queue refuses nobody; if it did, turns would not be limited.
        permit = next.ok();
    }
}

/// Runs a future, and gives its permit back as soon as it waits for something or ends: others need not wait for that.
pub(in crate::graphql) async fn while_busy<T>(
    mut permit: Option<FairPermit<Party>>,
    future: impl Future<Output = T>,
) -> T {
    let mut future = pin!(future);
    poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        permit = None;
        polled
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::{FutureExt as _, future::join_all};
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::{super::budget::budget, *};
    use crate::{domain::UserId, fair_queue::QueueBounds};

    fn one_turn_at_a_time() -> FairQueue<Party> {
        let (waiting_of_key, waiting) = (usize::MAX, usize::MAX);
        FairQueue::new(QueueBounds { places: 1, share: 1, waiting_of_key, waiting })
    }

    #[tokio::test]
    async fn operations_of_one_party_delay_another_by_one_turn_each_time() {
        const TURNS: usize = 5;
        let turns = one_turn_at_a_time();
        let resolved = Arc::new(AtomicUsize::new(0));
        let operation = async |party: Party, count: Arc<AtomicUsize>| {
            let budget = budget(0, 0);
            let all = join_all((0..TURNS * VALUES).map(|_| async {
                budget.turn().take().await;
                count.fetch_add(1, Ordering::Relaxed);
            }));
            let first = turns.acquire(party).await.ok();
            in_turns(&budget, &turns, party, first, all.boxed()).await;
            count.load(Ordering::Relaxed)
        };
        let [mallory, alice] = [(); 2].map(|()| Party::User(UserId::new()));
        let flood = join_all((0..10).map(|_| operation(mallory, Arc::clone(&resolved))));
        // All of the others wait when this one comes.
        let last = operation(alice, Arc::clone(&resolved));
        let (_, resolved_before) = futures_util::join!(flood, last);
        assert!(resolved_before <= (2 * TURNS + 3) * VALUES, "{resolved_before}");
    }

    #[tokio::test]
    async fn a_turn_ends_when_its_work_waits_for_something_else() {
        let turns = one_turn_at_a_time();
        let (arrives, waits) = tokio::sync::oneshot::channel();
        let turn = turns.acquire(Party::Node).await.ok();
        let mut running = Box::pin(while_busy(turn, waits));
        assert!((&mut running).now_or_never().is_none());
        let other = turns.acquire(Party::Node).now_or_never();
        assert!(other.is_some_and(|turn| turn.is_ok()), "the turn is not free");
        arrives.send(7).unwrap();
        assert_eq!(running.await, Ok(7));
    }

    #[tokio::test]
    async fn an_operation_that_waits_for_something_else_has_no_more_values_in_its_turn() {
        let turns = one_turn_at_a_time();
        let (budget, resolved) = (budget(0, 0), AtomicUsize::new(0));
        let resolving = async {
            for _ in 0..2 * VALUES {
                budget.turn().take().await;
                resolved.fetch_add(1, Ordering::Relaxed);
                // As a resolver that reads from the database.
                yield_now().await;
            }
        };
        let held = turns.acquire(Party::Node).await.unwrap();
        let mut running = Box::pin(in_turns(&budget, &turns, Party::Node, None, resolving.boxed()));
        while resolved.load(Ordering::Relaxed) < VALUES {
            assert!((&mut running).now_or_never().is_none());
        }
        for _ in 0..10 {
            assert!((&mut running).now_or_never().is_none());
        }
        assert_eq!(resolved.load(Ordering::Relaxed), VALUES);
        drop(held);
        running.await;
    }

    #[tokio::test]
    async fn other_tasks_wait_for_one_turn_however_many_operations_run() {
        const OPERATIONS: usize = 5;
        let resolved = Arc::new(AtomicUsize::new(0));
        let turns = one_turn_at_a_time();
        let operation = async |resolved: Arc<AtomicUsize>, turns: FairQueue<Party>| {
            let budget = budget(0, 0);
            let all = join_all((0..10 * VALUES).map(|_| async {
                budget.turn().take().await;
                resolved.fetch_add(1, Ordering::Relaxed);
            }));
            in_turns(&budget, &turns, Party::Node, None, all.boxed()).await;
        };
        let most = LocalSet::new()
            .run_until(async {
                let running: Vec<_> = (0..OPERATIONS)
                    .map(|_| spawn_local(operation(Arc::clone(&resolved), turns.clone())))
                    .collect();
                // Every operation has its first turn.
                yield_now().await;
                let mut most = 0;
                while !running.iter().all(tokio::task::JoinHandle::is_finished) {
                    let before = resolved.load(Ordering::Relaxed);
                    yield_now().await;
                    most = most.max(resolved.load(Ordering::Relaxed) - before);
                }
                most
            })
            .await;
        assert_eq!(resolved.load(Ordering::Relaxed), OPERATIONS * 10 * VALUES);
        assert!(most <= VALUES, "{most}");
    }
}
