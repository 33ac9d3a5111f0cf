//! What the machine is, for the report.

use std::{fs, thread};

use serde::Serialize;

/// The machine on which the load was made. Fields are absent where the system does not tell them.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Hardware {
    /// The model of the processor.
    pub(crate) processor: Option<String>,
    /// The number of cores that this process may use.
    pub(crate) cores: usize,
    /// The memory, in MiB.
    pub(crate) memory_mib: Option<u64>,
    /// The operating system and its version.
    pub(crate) system: String,
}

impl Hardware {
    /// Reads what the system tells.
    pub(crate) fn read() -> Self {
        let name = rustix::system::uname();
        let text = |part: &std::ffi::CStr| part.to_string_lossy().into_owned();
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_mib: field("/proc/meminfo", "MemTotal").and_then(|value| {
                let kib: u64 = value.split_whitespace().next()?.parse().ok()?;
                Some(kib / 1024)
            }),
            system: format!(
                "{} {} {}",
                text(name.sysname()),
                text(name.release()),
                text(name.machine())
            ),
        }
    }
}

/// Returns the first value of a key in a file of lines like `key : value`.
fn field(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}
