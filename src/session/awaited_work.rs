//! The work that a session awaits.
//!
//! A context polls each of its futures whenever it is woken, so sixty operations in progress would be polled sixty times for
//! each one that ends. Here the session's work is one stream of its context, which polls only what was woken.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use futures_util::{Stream, StreamExt as _, future::LocalBoxFuture, stream::FuturesUnordered};

/// A set of futures, and the stream of their results. Clones are the same set. The stream never ends.
pub(super) struct AwaitedWork<T>(Rc<RefCell<AwaitedFutures<T>>>);

struct AwaitedFutures<T> {
    futures: FuturesUnordered<LocalBoxFuture<'static, T>>,
    /// Wakes the task that polls the stream.
    waker: Option<Waker>,
}

impl<T> Clone for AwaitedWork<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Default for AwaitedWork<T> {
    fn default() -> Self {
        let awaited = AwaitedFutures { futures: FuturesUnordered::new(), waker: None };
        Self(Rc::new(RefCell::new(awaited)))
    }
}

impl<T> AwaitedWork<T> {
    /// Adds a future, which the stream polls from now on. Not to be called by a future of the set while it is polled.
    pub(super) fn push(&self, future: LocalBoxFuture<'static, T>) {
        let awaited = self.0.borrow();
        awaited.futures.push(future);
        if let Some(waker) = &awaited.waker {
            waker.wake_by_ref();
        }
    }
}

impl<T> Stream for AwaitedWork<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut awaited = self.0.borrow_mut();
        match awaited.futures.poll_next_unpin(cx) {
            Poll::Ready(Some(result)) => Poll::Ready(Some(result)),
            // Without futures, the next `push` wakes the task.
            Poll::Ready(None) | Poll::Pending => {
                match &mut awaited.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    waker @ None => *waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::poll_fn};

    use futures_util::{FutureExt as _, poll};
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn only_woken_futures_are_polled() {
        let (mut awaited, polls) = (AwaitedWork::default(), Rc::new(Cell::new(0)));
        let mut senders = vec![];
        for n in 0..60 {
            let (sender, mut receiver) = oneshot::channel::<()>();
            let polls = Rc::clone(&polls);
            let counted = poll_fn(move |cx| {
                polls.set(polls.get() + 1);
                receiver.poll_unpin(cx).map(|_sent| n)
            });
            awaited.push(counted.boxed_local());
            senders.push(sender);
        }
        assert!(poll!(awaited.next()).is_pending());
        assert_eq!(polls.get(), 60);
        for (n, sender) in senders.into_iter().enumerate().rev() {
            sender.send(()).unwrap();
            assert_eq!(awaited.next().await, Some(n));
        }
        assert_eq!(polls.get(), 120);
    }

    #[tokio::test]
    async fn a_stream_without_futures_waits_for_the_next() {
        let awaited = AwaitedWork::default();
        let mut stream = awaited.clone();
        let waiting = tokio::task::LocalSet::new();
        let next = waiting.spawn_local(async move { stream.next().await });
        let pushed = waiting.spawn_local(async move {
            tokio::task::yield_now().await;
            awaited.push(std::future::ready(7).boxed_local());
        });
        waiting.await;
        pushed.await.unwrap();
        assert_eq!(next.await.unwrap(), Some(7));
    }
}
