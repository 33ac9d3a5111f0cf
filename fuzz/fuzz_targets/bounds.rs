//! Bounds of the time and the memory that one input may take. The limits of libFuzzer end only what is far beyond them.

use std::time::Duration;

use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most that an input may take.
pub struct Bounds {
    /// Memory of any input, in bytes.
    pub bytes: usize,
    /// Further memory for each byte of the input.
    pub bytes_per_byte: usize,
    /// Time of this thread on the processor, so that a busy machine makes no difference.
    pub time: Duration,
}

impl Bounds {
    /// Does the work of an input and checks what it took.
    pub fn check(&self, input: &[u8], work: impl FnOnce()) {
        let (before, begun) = (MEMORY.current_usage(), time_of_thread());
        MEMORY.reset_peak_usage();
        work();
        let (taken, time) = (MEMORY.peak_usage().saturating_sub(before), time_of_thread() - begun);
        let bytes = self.bytes + self.bytes_per_byte * input.len();
        assert!(taken <= bytes, "{} bytes of input took {taken} bytes of memory", input.len());
        assert!(time <= self.time, "{} bytes of input took {time:?}", input.len());
    }
}

fn time_of_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).expect("less than a second"),
    )
}
