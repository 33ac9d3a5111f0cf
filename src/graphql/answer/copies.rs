//! The bytes of an event that are fields selected again.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use thiserror::Error;

use super::Encoded;

/// The most bytes of an event that repeat a field: other aliases of `content`, `delta`, `update` and `insert`.
const MAX_COPIES: usize = 1024 * 1024;

/// An event repeats its large fields too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "The event repeats `content`, `delta`, `insert` or `update` in more than {MAX_COPIES} bytes. Select each of them once."
)]
pub struct CopiesTooLarge;

/// What an event may still repeat.
#[derive(Debug)]
pub(in crate::graphql) struct CopyAllowance(AtomicUsize);

impl CopyAllowance {
    /// Returns the allowance of a new event.
    pub(in crate::graphql) fn new() -> Self {
        Self(AtomicUsize::new(MAX_COPIES))
    }

    /// Spends the bytes of a field that is written again.
    ///
    /// # Errors
    /// [`CopiesTooLarge`] if fewer are left.
    pub(in crate::graphql) fn spend(&self, bytes: usize) -> Result<(), CopiesTooLarge> {
        // One task renders an event, so nothing is spent between the two steps.
        let left = self.0.load(Ordering::Relaxed).checked_sub(bytes).ok_or(CopiesTooLarge)?;
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// A field of an event that is written once, however often it is selected.
pub(in crate::graphql) struct WrittenOnce<T>(OnceLock<Encoded<T>>);

impl<T> WrittenOnce<T> {
    /// Returns a field that is not written yet.
    pub(in crate::graphql) fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Returns the field; `write` writes it the first time. Every other time spends `copies`.
    ///
    /// # Errors
    /// The error of `write`, or [`CopiesTooLarge`].
    pub(in crate::graphql) fn get<E: From<CopiesTooLarge>>(
        &self,
        copies: &CopyAllowance,
        write: impl FnOnce() -> Result<Encoded<T>, E>,
    ) -> Result<Encoded<T>, E> {
        if let Some(written) = self.0.get() {
            copies.spend(written.bytes())?;
            return Ok(written.clone());
        }
        let written = write()?;
        Ok(self.0.get_or_init(|| written).clone())
    }
}

/// Whether something has been written, so that the next time is a copy.
#[derive(Debug, Default)]
pub(in crate::graphql) struct FirstTime(AtomicBool);

impl FirstTime {
    /// Returns whether this is the first call.
    pub(in crate::graphql) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_time_is_free_and_copies_are_bounded() {
        let copies = CopyAllowance::new();
        let field = WrittenOnce::<String>::new();
        let mut written = 0;
        let mut get = || {
            field.get(&copies, || {
                written += 1;
                Ok::<_, CopiesTooLarge>(Encoded::base64(&vec![0; MAX_COPIES / 3]))
            })
        };
        // Base64 takes four thirds, so two copies fit.
        for _ in 0..3 {
            get().unwrap();
        }
        assert_eq!(get().err(), Some(CopiesTooLarge));
        assert_eq!(written, 1);
    }
}
