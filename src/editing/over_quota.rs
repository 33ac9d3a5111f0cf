//! Which edits of a batch are refused when the batch exceeds a quota.

use std::collections::BTreeMap;

/// Returns the jobs to refuse: the largest, until the others together take at most `left` bytes. Never none, if there are
/// changes. `changes` are the jobs and sizes of the changes of a batch.
pub(super) fn largest_jobs(
    changes: impl IntoIterator<Item = (usize, usize)>,
    left: u64,
) -> Vec<usize> {
    let mut bytes_of = BTreeMap::<usize, u64>::new();
    for (job, bytes) in changes {
        *bytes_of.entry(job).or_default() += bytes as u64;
    }
    let mut sizes: Vec<_> = bytes_of.into_iter().map(|(job, bytes)| (bytes, job)).collect();
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

    #[test]
    fn the_largest_jobs_are_refused_until_the_others_fit() {
        let changes = [(0, 10), (1, 300), (2, 5), (1, 300), (3, 200)];
        assert_eq!(largest_jobs(changes, 250), [1]);
        assert_eq!(largest_jobs(changes, 20), [1, 3]);
        assert_eq!(largest_jobs(changes, 0), [1, 3, 0, 2]);
    }

    #[test]
    fn one_job_is_refused_although_the_estimate_fits() {
        assert_eq!(largest_jobs([(4, 10)], 1_000), [4]);
        assert!(largest_jobs([], 1_000).is_empty());
    }
}
