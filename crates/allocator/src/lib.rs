//! The memory allocator of the server: mimalloc ([ADR 42](../../../docs/adr/0042-mimalloc.md)).
//!
//! By default mimalloc keeps freed memory for a second. An attack that takes and frees large buffers all the time then keeps several
//! generations of them. [`return_memory_soon`] shortens that time.

use std::{env, ffi::c_long};

use libmimalloc_sys::{mi_option_get, mi_option_set, mi_option_t};
pub use mimalloc::MiMalloc as Allocator;

/// How long freed memory is kept, in milliseconds.
const PURGE_DELAY_MS: c_long = 10;

/// The number of the option `purge_delay` in `mi_option_e` of mimalloc 2 and 3, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// The environment variable from which mimalloc reads the option.
const VARIABLE: &str = "MIMALLOC_PURGE_DELAY";

/// The value of the option without a setting, in milliseconds (mimalloc 3).
const DEFAULT_PURGE_DELAY_MS: c_long = 1_000;

/// Makes the allocator give freed memory back to the system after ten milliseconds. Keeps the delay that the environment variable
/// `MIMALLOC_PURGE_DELAY` has set, if it is set.
///
/// Call it before the process has a second thread: the option is not atomic.
pub fn return_memory_soon() {
    if env::var_os(VARIABLE).is_some() {
        return;
    }
    // SAFETY: it reads and writes a number in a table of options. 15 is one of its entries.
    unsafe {
        if mi_option_get(PURGE_DELAY) == DEFAULT_PURGE_DELAY_MS {
            mi_option_set(PURGE_DELAY, PURGE_DELAY_MS);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn delay() -> c_long {
        // SAFETY: as above.
        unsafe { mi_option_get(PURGE_DELAY) }
    }

    /// Another number would be another option: only this one has that default.
    #[test]
    fn the_option_is_the_delay() {
        assert_eq!(delay(), DEFAULT_PURGE_DELAY_MS);
        return_memory_soon();
        assert_eq!(delay(), PURGE_DELAY_MS);
    }

    /// Runs itself again with the variable, which the allocator reads when a process starts.
    #[test]
    fn the_variable_sets_the_delay_also_to_the_default() {
        if let Some(set) = env::var_os(VARIABLE) {
            return_memory_soon();
            assert_eq!(delay().to_string(), set.to_string_lossy());
            return;
        }
        for set in ["1000", "77"] {
            let name = "tests::the_variable_sets_the_delay_also_to_the_default";
            let mut again = Command::new(env::current_exe().unwrap());
            let status = again.args(["--exact", name]).env(VARIABLE, set).status().unwrap();
            assert!(status.success(), "{set}");
        }
    }
}
