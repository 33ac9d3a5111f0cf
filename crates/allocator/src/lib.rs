//! The memory allocator of the server: mimalloc ([ADR 42](../../../docs/adr/0042-mimalloc.md)).
//!
//! By default mimalloc keeps freed memory for a second. An attack that takes and frees large buffers all the time then keeps several
//! generations of them. [`return_memory_soon`] shortens that time.

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_get, mi_option_set, mi_option_t};
pub use mimalloc::MiMalloc as Allocator;

/// How long freed memory is kept, in milliseconds.
const PURGE_DELAY_MS: c_long = 10;

/// The number of the option `purge_delay` in `mi_option_e` of mimalloc 2 and 3, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// The value of the option without a setting, in milliseconds (mimalloc 3).
const DEFAULT_PURGE_DELAY_MS: c_long = 1_000;

/// Makes the allocator give freed memory back to the system after ten milliseconds. Keeps another delay that the environment
/// variable `MIMALLOC_PURGE_DELAY` has set.
///
/// Call it before the process has a second thread: the option is not atomic.
pub fn return_memory_soon() {
    // SAFETY: it reads and writes a number in a table of options. 15 is one of its entries.
    unsafe {
        if mi_option_get(PURGE_DELAY) == DEFAULT_PURGE_DELAY_MS {
            mi_option_set(PURGE_DELAY, PURGE_DELAY_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another number would be another option: only this one has that default.
    #[test]
    fn the_option_is_the_delay() {
        // SAFETY: as above.
        let delay = || unsafe { mi_option_get(PURGE_DELAY) };
        assert_eq!(delay(), DEFAULT_PURGE_DELAY_MS);
        return_memory_soon();
        assert_eq!(delay(), PURGE_DELAY_MS);
    }
}
