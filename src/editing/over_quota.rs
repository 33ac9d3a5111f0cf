//! Which edits of a batch are refused when the batch exceeds a quota.

use std::collections::BTreeMap;

/// What a change of a batch stores.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChangeSize {
    /// The job of the change.
    pub(super) job: usize,
    pub(super) bytes: u64,
    /// Whether the change makes the text longer.
    pub(super) lengthens: bool,
}

/// Returns the jobs to refuse: the largest, until the others together take at most `left` bytes. Never none, if there are
/// changes. A job that does not make the text longer is refused only if no other is in the batch: it may exceed the quota to
/// some extent.
pub(super) fn largest_jobs(changes: impl IntoIterator<Item = ChangeSize>, left: u64) -> Vec<usize> {
    let mut jobs = BTreeMap::<usize, (u64, bool)>::new();
    for change in changes {
        let (bytes, lengthens) = jobs.entry(change.job).or_default();
        *bytes += change.bytes;
        *lengthens |= change.lengthens;
    }
    let has_longer = jobs.values().any(|(_, lengthens)| *lengthens);
    let mut sizes: Vec<_> = jobs
        .into_iter()
        .filter(|(_, (_, lengthens))| *lengthens || !has_longer)
        .map(|(job, (bytes, _))| (bytes, job))
        .collect();
    sizes.sort_unstable();
    let mut rest: u64 = sizes.iter().map(|(bytes, _)| bytes).sum();
    let mut refused = Vec::new();
    while (refused.is_empty() || rest > left)
        && let Some((bytes, job)) = sizes.pop()
    {
        rest -= bytes;
        refused.push(job);
    }
    refused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longer((job, bytes): (usize, u64)) -> ChangeSize {
        ChangeSize { job, bytes, lengthens: true }
    }

    fn shorter((job, bytes): (usize, u64)) -> ChangeSize {
        ChangeSize { job, bytes, lengthens: false }
    }

    #[test]
    fn the_largest_jobs_are_refused_until_the_others_fit() {
        let changes = [(0, 10), (1, 300), (2, 5), (1, 300), (3, 200)].map(longer);
        assert_eq!(largest_jobs(changes, 250), [1]);
        assert_eq!(largest_jobs(changes, 20), [1, 3]);
        assert_eq!(largest_jobs(changes, 0), [1, 3, 0, 2]);
    }

    #[test]
    fn one_job_is_refused_although_the_estimate_fits() {
        assert_eq!(largest_jobs([longer((4, 10))], 1_000), [4]);
        assert!(largest_jobs([], 1_000).is_empty());
    }

    #[test]
    fn jobs_that_shorten_the_text_are_refused_only_without_others() {
        let both = [shorter((0, 900)), longer((1, 10)), longer((2, 20))];
        assert_eq!(largest_jobs(both, 0), [2, 1]);
        assert_eq!(largest_jobs(both, 10), [2]);
        assert_eq!(largest_jobs([(0, 900), (1, 10)].map(shorter), 0), [0, 1]);
    }
}
