//! The handle with which a request ends the connection it arrived on.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

use tokio::sync::Notify;

/// A connection, as the requests that arrive on it see it. Clones are the same connection.
///
/// It belongs to the thread of the connection.
#[derive(Debug, Clone, Default)]
pub struct ConnectionHandle {
    state: Rc<ConnectionState>,
}

#[derive(Debug, Default)]
struct ConnectionState {
    is_ended: Cell<bool>,
    /// The bytes that the kernel has accepted so far, modulo 2^64.
    accepted: Cell<u64>,
    /// The task that reads and writes.
    waker: RefCell<Option<Waker>>,
    /// Holds a permit once the socket is closed.
    closed: Notify,
}

impl ConnectionHandle {
    /// Waits until the connection is closed. Ends it once the client has accepted nothing for `patience`, and after
    /// `rounds` times `patience` in any case.
    ///
    /// The time is measured in rounds of `patience`, so a client may accept nothing for almost two of them.
    pub async fn close_within(&self, patience: Duration, rounds: u32) {
        for _ in 0..rounds {
            let accepted = self.state.accepted.get();
            if tokio::time::timeout(patience, self.state.closed.notified()).await.is_ok() {
                return;
            }
            if self.state.accepted.get() == accepted {
                break;
            }
        }
        self.end();
    }

    /// Makes the next read and the next write fail, so that the framework closes the socket.
    pub fn end(&self) {
        self.state.is_ended.set(true);
        let waker = self.state.waker.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.state.is_ended.get()
    }

    pub(super) fn note_accepted(&self, bytes: usize) {
        self.state.accepted.set(self.state.accepted.get().wrapping_add(bytes as u64));
    }

    /// Wakes the task of `cx` when the connection is ended.
    pub(super) fn register(&self, cx: &Context<'_>) {
        let mut waker = self.state.waker.borrow_mut();
        match &mut *waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => *waker = Some(cx.waker().clone()),
        }
    }

    pub(super) fn note_closed(&self) {
        self.state.closed.notify_one();
    }
}
