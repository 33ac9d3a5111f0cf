//! Processor time and memory of processes, from `/proc`. Other systems than Linux tell nothing here.

use std::{fs, time::Duration};

use serde::Serialize;
use tokio::{
    task::JoinHandle,
    time::{Instant, interval, sleep_until},
};

/// How often memory is sampled.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);

/// What the processes of the server used while the load was measured.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Usage {
    /// User and system time of all of them, in seconds.
    pub(crate) cpu_seconds: f64,
    /// The time over which that was counted, in seconds.
    pub(crate) over_seconds: f64,
    /// The largest sum of their resident memory, in MiB.
    pub(crate) rss_mib: f64,
}

impl Usage {
    /// Returns how many cores they kept busy on average.
    pub(crate) fn cores(&self) -> f64 {
        self.cpu_seconds / self.over_seconds.max(f64::MIN_POSITIVE)
    }
}

/// Observes processes between two times.
#[derive(Debug)]
pub(crate) struct UsageWatch(Option<JoinHandle<Option<Usage>>>);

impl UsageWatch {
    /// Observes these processes from `start` to `end`.
    pub(crate) fn start(processes: Vec<u32>, start: Instant, end: Instant) -> Self {
        Self((!processes.is_empty()).then(|| tokio::spawn(watch(processes, start, end))))
    }

    /// Waits for the end of the observation. `None` if there is nothing to observe.
    pub(crate) async fn end(self) -> Option<Usage> {
        self.0?.await.ok()?
    }
}

async fn watch(processes: Vec<u32>, start: Instant, end: Instant) -> Option<Usage> {
    sleep_until(start).await;
    let (began, cpu_before) = (Instant::now(), cpu_seconds(&processes)?);
    let mut rss_mib = rss_mib(&processes)?;
    let mut samples = interval(SAMPLE_EVERY);
    while Instant::now() < end {
        samples.tick().await;
        rss_mib = rss_mib.max(self::rss_mib(&processes).unwrap_or(0.0));
    }
    let cpu_seconds = cpu_seconds(&processes)? - cpu_before;
    Some(Usage { cpu_seconds, over_seconds: began.elapsed().as_secs_f64(), rss_mib })
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
