//! The memory of the node's process, on Linux.

use std::fs;

/// The resident memory in MiB, and the most that it has been since [`reset_peak`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Resident {
    /// Now.
    pub(crate) now: u64,
    /// At most.
    pub(crate) peak: u64,
}

/// Reads the memory of a process; zero if it has ended.
pub(crate) fn resident(process: u32) -> Resident {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let read = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
        kib.unwrap_or_default() / 1_024
    };
    Resident { now: read("VmRSS:"), peak: read("VmHWM:") }
}

/// Forgets how much memory a process had at most.
pub(crate) fn reset_peak(process: u32) {
    fs::write(format!("/proc/{process}/clear_refs"), "5").unwrap();
}
