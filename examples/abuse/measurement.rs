//! How long the bystander waits.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use kit::DEADLINE;

use crate::attacks::{Bystander, Sample};

/// The pause after each time that the bystander has done everything.
const PAUSE: Duration = Duration::from_millis(20);

/// A bystander who works on a thread of their own, so that the attackers' own work does not delay them more than necessary.
pub(crate) struct Measurement {
    samples: Arc<Mutex<Vec<Sample>>>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// The latencies of some time.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// The median.
    pub(crate) p50: Duration,
    /// The 99th percentile.
    pub(crate) p99: Duration,
    /// The longest, and what it was.
    pub(crate) longest: (Duration, &'static str),
    /// The number of samples.
    pub(crate) count: usize,
    /// Why something failed, each reason once.
    pub(crate) failures: Vec<String>,
}

impl Measurement {
    /// Lets a bystander work.
    pub(crate) fn start(bystander: &Bystander) -> Self {
        let (samples, is_over) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (into, ends) = (Arc::clone(&samples), Arc::clone(&is_over));
        let identity = bystander.identity();
        let thread = std::thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                while !ends.load(Ordering::Relaxed) {
                    let worked = work(identity.clone(), Arc::clone(&into), Arc::clone(&ends));
                    if actix_rt::spawn(worked).await.is_err() {
                        let failure = Some("no answer".to_owned());
                        let sample = Sample { action: "any", took: DEADLINE, failure };
                        into.lock().unwrap().push(sample);
                    }
                }
            });
        });
        Self { samples, is_over, thread }
    }

    /// Returns the latencies since the last time.
    pub(crate) fn take(&self) -> Latencies {
        let mut samples = std::mem::take(&mut *self.samples.lock().unwrap());
        samples.sort_by_key(|sample| sample.took);
        let Some(longest) = samples.last() else { return Latencies::default() };
        let at = |part: usize| samples[(samples.len() - 1) * part / 100].took;
        let mut failures: Vec<_> = samples
            .iter()
            .filter_map(|sample| Some(format!("{} {}", sample.action, sample.failure.as_ref()?)))
            .collect();
        failures.sort();
        failures.dedup();
        Latencies {
            p50: at(50),
            p99: at(99),
            longest: (longest.took, longest.action),
            count: samples.len(),
            failures,
        }
    }

    /// Ends it.
    pub(crate) fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

async fn work(
    identity: crate::attacks::Identity,
    samples: Arc<Mutex<Vec<Sample>>>,
    is_over: Arc<AtomicBool>,
) {
    let bystander = Bystander::connect(identity).await;
    while !is_over.load(Ordering::Relaxed) {
        let worked = bystander.work().await;
        samples.lock().unwrap().extend(worked);
        actix_rt::time::sleep(PAUSE).await;
    }
}
