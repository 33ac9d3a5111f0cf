//! Processor time and memory of processes, from `/proc`. Other systems than Linux tell nothing here.

use std::{fs, thread};

use serde::Serialize;
use tokio::{sync::oneshot, time::Instant};

/// What the processes of the server used while the load was measured.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Usage {
    /// User and system time of all of them, in seconds.
    pub(crate) cpu_seconds: f64,
    /// The time over which that was counted, in seconds.
    pub(crate) over_seconds: f64,
    /// The sum of their resident memory at the end of that time, in MiB.
    pub(crate) rss_mib: f64,
    /// The sum of the largest resident memory that each of them had since it was started, in MiB.
    pub(crate) peak_mib: f64,
}

impl Usage {
    /// Returns how many cores they kept busy on average.
    pub(crate) fn cores(&self) -> f64 {
        self.cpu_seconds / self.over_seconds.max(f64::MIN_POSITIVE)
    }
}

/// Observes processes between two times.
#[derive(Debug)]
pub(crate) struct UsageWatch(Option<oneshot::Receiver<Option<Usage>>>);

impl UsageWatch {
    /// Observes these processes from `start` to `end`.
    pub(crate) fn start(processes: Vec<u32>, start: Instant, end: Instant) -> Self {
        if processes.is_empty() {
            return Self(None);
        }
        let (tx, rx) = oneshot::channel();
        // On a thread of its own: the tasks of the load would delay it. It ends by itself.
        thread::spawn(move || {
            // Nobody waits any more if the run was interrupted.
            let _sent = tx.send(watch(&processes, start, end));
        });
        Self(Some(rx))
    }

    /// Waits for the end of the observation. `None` if there is nothing to observe.
    pub(crate) async fn end(self) -> Option<Usage> {
        self.0?.await.ok()?
    }
}

fn watch(processes: &[u32], start: Instant, end: Instant) -> Option<Usage> {
    sleep_until(start);
    let (began, cpu_before) = (Instant::now(), cpu_seconds(processes)?);
    sleep_until(end);
    let (over, cpu_after) = (began.elapsed(), cpu_seconds(processes)?);
    Some(Usage {
        cpu_seconds: cpu_after - cpu_before,
        over_seconds: over.as_secs_f64(),
        rss_mib: rss_mib(processes)?,
        peak_mib: peak_mib(processes)?,
    })
}

fn sleep_until(time: Instant) {
    thread::sleep(time.saturating_duration_since(Instant::now()));
}

/// Returns the user and system time of processes, in seconds.
fn cpu_seconds(processes: &[u32]) -> Option<f64> {
    let ticks: Option<u64> = processes.iter().map(|process| cpu_ticks(*process)).sum();
    // The cast is exact for any run that a person waits for.
    Some(ticks? as f64 / rustix::param::clock_ticks_per_second() as f64)
}

fn cpu_ticks(process: u32) -> Option<u64> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before it is in parentheses and may contain spaces. `utime` and `stime` are the fields 14 and 15.
    let (_, rest) = line.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    Some(times.next()? + times.next()?)
}

/// Returns the resident memory of processes, in MiB.
pub(crate) fn rss_mib(processes: &[u32]) -> Option<f64> {
    let pages: Option<u64> = processes.iter().map(|process| resident_pages(*process)).sum();
    Some(pages? as f64 * rustix::param::page_size() as f64 / (1024.0 * 1024.0))
}

fn resident_pages(process: u32) -> Option<u64> {
    let line = fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the largest resident memory that each process has had, added up, in MiB.
fn peak_mib(processes: &[u32]) -> Option<f64> {
    let kib: Option<u64> = processes
        .iter()
        .map(|process| peak_kib(&fs::read_to_string(format!("/proc/{process}/status")).ok()?))
        .sum();
    Some(kib? as f64 / 1024.0)
}

/// Returns the largest resident memory in the text of a `status` file, in KiB.
fn peak_kib(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{process, time::Duration};

    use super::*;

    #[test]
    fn the_largest_memory_is_read_in_kib() {
        let status = "Name:\tcoscribe\nVmPeak:\t 900 kB\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n";
        assert_eq!(peak_kib(status), Some(2048));
        assert_eq!(peak_kib("Name:\tzombie\n"), None);
    }

    #[tokio::test]
    async fn memory_that_was_given_back_counts_as_the_largest() {
        const BYTES: usize = 64 << 20;
        drop(std::hint::black_box(vec![1_u8; BYTES]));
        let now = Instant::now();
        let usage = UsageWatch::start(vec![process::id()], now, now).end().await.unwrap();
        assert!(usage.peak_mib >= 64.0 && usage.peak_mib >= usage.rss_mib, "{usage:?}");
    }

    #[tokio::test]
    async fn processor_time_is_counted_until_the_end_only() {
        let (start, end) = (Instant::now(), Instant::now() + Duration::from_millis(30));
        let usage = UsageWatch::start(vec![process::id()], start, end).end().await.unwrap();
        // On a busy machine the thread that counts may begin late.
        let (took, counted) = (start.elapsed(), Duration::from_secs_f64(usage.over_seconds));
        assert!(Instant::now() >= end && !counted.is_zero() && counted <= took, "{usage:?}");
        assert!(UsageWatch::start(vec![], start, end).end().await.is_none());
    }
}
