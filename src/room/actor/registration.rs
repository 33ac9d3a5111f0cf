//! A room's place in the list of open rooms.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::watch;

/// A room's place in the list. Dropping it, at the latest with the room, allows the document to be opened again.
pub(in crate::room) struct Registration {
    is_closing: Arc<AtomicBool>,
    remove: Option<Box<dyn FnOnce() + Send>>,
    /// Dropped with the room, which wakes the callers that wait for it.
    _gone: watch::Sender<()>,
}

/// What the list knows of a registered room.
pub(in crate::room) struct RegisteredRoom {
    is_closing: Arc<AtomicBool>,
    gone: watch::Receiver<()>,
}

impl Registration {
    /// Returns a registration and what the list keeps of it. `remove` takes the room off the list.
    pub(in crate::room) fn new(remove: impl FnOnce() + Send + 'static) -> (Self, RegisteredRoom) {
        let is_closing = Arc::<AtomicBool>::default();
        let (sender, gone) = watch::channel(());
        let registered = RegisteredRoom { is_closing: Arc::clone(&is_closing), gone };
        (Self { is_closing, remove: Some(Box::new(remove)), _gone: sender }, registered)
    }

    /// Marks the room as closing: from now on its document is opened again only when the room is gone.
    pub(in crate::room) fn close(&self) {
        self.is_closing.store(true, Ordering::Release);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // Off the list before those who wait are woken: they look there.
        if let Some(remove) = self.remove.take() {
            remove();
        }
    }
}

impl RegisteredRoom {
    /// Whether the room is closing.
    pub(in crate::room) fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Acquire)
    }

    /// Returns a channel that closes when the room is gone.
    pub(in crate::room) fn gone(&self) -> watch::Receiver<()> {
        self.gone.clone()
    }
}
