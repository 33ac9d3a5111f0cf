//! Measuring how the time of a change grows with its size.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How many times as large the larger of two changes is.
const FACTOR: u32 = 16;

/// The most times as long that it may take. Linear time is 16 times as long, quadratic time 256 times.
const MAX_TIMES_AS_LONG: u32 = 100;

/// Returns the time that the processor spends on `work`. What else the machine does is not part of it.
pub(crate) fn cpu_time(work: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let began = now();
    work();
    now() - began
}

/// Checks that the time of a change grows with its size, and not with the square of its size. `time_of` returns the time of
/// a change of a size.
pub(crate) fn expect_linear_time(what: &str, size: u32, time_of: impl Fn(u32) -> Duration) {
    let (mut small, mut large) = (Duration::MAX, Duration::MAX);
    for _ in 0..2 {
        small = small.min(time_of(size));
        large = large.min(time_of(FACTOR * size));
    }
    assert!(large < MAX_TIMES_AS_LONG * small, "{what}: {small:?}, {large:?}");
}
