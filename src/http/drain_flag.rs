//! The flag of a node that is stopping.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Whether the node is stopping. Clones share the flag, which is never reset.
#[derive(Clone, Default)]
pub struct DrainFlag(Arc<AtomicBool>);

impl DrainFlag {
    /// Sets the flag: the node is stopping and refuses new sessions.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Returns whether the node is stopping.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
