//! State that a session shares with the reader of its socket.
//!
//! The reader records when bytes arrive, counts the frames that the codec has not handed out yet, and reports the fault
//! that made it stop. The session pauses it, and removes the byte budget once the client is admitted. The reader reserves memory
//! for a large message, and the session takes the reservation with the message. Both run on one thread.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use tokio::{sync::Notify, time::Instant};

use crate::{domain::Party, memory::Reservation, wire::CloseReason};

/// The state shared by a session and its reader.
pub(super) struct Intake {
    received_at: Cell<Instant>,
    /// Notified when bytes arrive.
    arrival: Notify,
    /// Complete frames that the codec has been given and the session has not handled yet.
    unhandled: Cell<u64>,
    /// The bytes that the client may send before it is admitted; `None` afterwards.
    budget: Cell<Option<ByteBudget>>,
    fault: RefCell<Option<CloseReason>>,
    paused: Cell<bool>,
    /// Whether the reader waits for memory.
    lacks_memory: Cell<bool>,
    /// The user of an admitted client.
    payer: Cell<Option<Party>>,
    /// The memory of the data message that is arriving.
    arriving: RefCell<Option<Reservation>>,
    /// Wakes the reader when the session resumes it.
    reader: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy)]
struct ByteBudget {
    left: usize,
    limit: usize,
}

impl Intake {
    /// Creates the state of a socket that opened at `now`. Its client may send `budget` bytes before it is admitted;
    /// without a budget, the frame limits alone apply.
    pub(super) fn new(now: Instant, budget: Option<usize>) -> Rc<Self> {
        Rc::new(Self {
            received_at: Cell::new(now),
            arrival: Notify::new(),
            unhandled: Cell::new(0),
            budget: Cell::new(budget.map(|limit| ByteBudget { left: limit, limit })),
            fault: RefCell::new(None),
            paused: Cell::new(false),
            lacks_memory: Cell::new(false),
            payer: Cell::new(None),
            arriving: RefCell::new(None),
            reader: RefCell::new(None),
        })
    }

    /// Returns when bytes last arrived. While the session has paused the reader, or the reader waits for memory, that is now: a
    /// client whose socket is not read is not silent.
    pub(super) fn received_at(&self) -> Instant {
        let is_read = !self.paused.get() && !self.lacks_memory.get();
        if is_read { self.received_at.get() } else { Instant::now() }
    }

    /// Records that bytes arrived now, or that silence counts from now on.
    pub(super) fn note_received(&self) {
        self.received_at.set(Instant::now());
        self.arrival.notify_waiters();
    }

    /// Waits until bytes arrive.
    pub(super) async fn arrival(&self) {
        self.arrival.notified().await;
    }

    /// Pauses or resumes the reader. While it is paused, bytes stay in the socket.
    pub(super) fn pause(&self, paused: bool) {
        if self.paused.replace(paused) && !paused {
            self.note_received();
            let reader = self.reader.borrow_mut().take();
            if let Some(waker) = reader {
                waker.wake();
            }
        }
    }

    /// Is ready unless the session has paused the reader.
    pub(super) fn poll_resumed(&self, cx: &Context<'_>) -> Poll<()> {
        if !self.paused.get() {
            return Poll::Ready(());
        }
        *self.reader.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Counts complete frames that go to the codec.
    pub(super) fn add_unhandled(&self, frames: u64) {
        self.unhandled.set(self.unhandled.get() + frames);
    }

    /// Returns whether the codec still holds complete frames.
    pub(super) fn has_unhandled(&self) -> bool {
        self.unhandled.get() > 0
    }

    /// Records that the session has handled one frame.
    pub(super) fn handled(&self) {
        self.unhandled.set(self.unhandled.get().saturating_sub(1));
    }

    /// Removes the byte budget: the client is admitted. From now on the memory of its large messages counts for `payer`.
    pub(super) fn admit(&self, payer: Party) {
        self.budget.set(None);
        self.payer.set(Some(payer));
    }

    /// Returns for whom the memory of messages counts, once the client is admitted.
    pub(super) fn payer(&self) -> Option<Party> {
        self.payer.get()
    }

    /// Records whether the reader waits for memory.
    pub(super) fn note_memory(&self, is_lacking: bool) {
        self.lacks_memory.set(is_lacking);
        self.note_received();
    }

    /// Keeps the memory of the data message that is arriving.
    pub(super) fn keep_arriving(&self, reservation: Reservation) {
        let before = self.arriving.borrow_mut().replace(reservation);
        drop(before);
    }

    /// Removes the memory of the data message that is arriving, or has just arrived. `None` if it is small.
    pub(super) fn take_arriving(&self) -> Option<Reservation> {
        self.arriving.borrow_mut().take()
    }

    /// Spends `bytes` of the budget.
    ///
    /// # Errors
    /// [`CloseReason::TooBig`] if less is left.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), CloseReason> {
        self.check_budget(bytes as u64)?;
        let spent =
            |budget: ByteBudget| ByteBudget { left: budget.left.saturating_sub(bytes), ..budget };
        self.budget.set(self.budget.get().map(spent));
        Ok(())
    }

    /// Checks that the budget has `bytes` left. A frame is checked when its header arrives, because the codec then
    /// allocates memory for all of it.
    ///
    /// # Errors
    /// [`CloseReason::TooBig`] if it has not.
    pub(super) fn check_budget(&self, bytes: u64) -> Result<(), CloseReason> {
        match self.budget.get() {
            Some(ByteBudget { left, limit }) if bytes > left as u64 => {
                Err(CloseReason::TooBig { limit })
            }
            _ => Ok(()),
        }
    }

    /// Records why the reader stopped.
    pub(super) fn set_fault(&self, reason: CloseReason) {
        *self.fault.borrow_mut() = Some(reason);
    }

    /// Returns why the reader stopped, if it did.
    pub(super) fn take_fault(&self) -> Option<CloseReason> {
        self.fault.borrow_mut().take()
    }
}
