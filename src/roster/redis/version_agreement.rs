//! Decides which envelope version this node writes: the newest that every live node reads. Pure: time is
//! an argument.

use std::time::Duration;

use tokio::time::Instant;

use crate::wire::envelope::OLDEST_VERSION;

/// The agreement between the nodes of a cluster.
///
/// The version falls at once when a node appears that reads only older envelopes. It rises only after
/// the length of a lease without such a node, because another one might not be registered yet.
#[derive(Debug)]
pub(super) struct VersionAgreement {
    /// The newest version that this node reads.
    own: u8,
    /// The length of a lease.
    lease: Duration,
    /// Since when all nodes have read a newer version than the one that is written.
    newer_since: Option<Instant>,
}

impl VersionAgreement {
    pub(super) fn new(own: u8, lease: Duration) -> Self {
        Self { own, lease, newer_since: None }
    }

    /// Returns the version to write from now on, given the present one and the newest versions that the
    /// live nodes read.
    pub(super) fn update(
        &mut self,
        written: u8,
        readable: impl Iterator<Item = u8>,
        now: Instant,
    ) -> u8 {
        let common = readable.fold(self.own, u8::min).max(OLDEST_VERSION);
        if common <= written {
            self.newer_since = None;
            return common;
        }
        let since = *self.newer_since.get_or_insert(now);
        if now.duration_since(since) >= self.lease { common } else { written }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_falls_at_once_and_rises_after_a_lease() {
        let start = Instant::now();
        let lease = Duration::from_secs(15);
        let mut agreement = VersionAgreement::new(3, lease);
        let mut update = |written, readable: &[u8], now| {
            agreement.update(written, readable.iter().copied(), now)
        };

        assert_eq!(update(3, &[3, 1], start), 1, "a node reads only version 1");
        assert_eq!(update(1, &[3], start), 1);
        assert_eq!(update(1, &[3, 1], start + lease), 1, "the old node is still there");
        assert_eq!(update(1, &[3, 2], start + lease), 1);
        assert_eq!(update(1, &[3, 2], start + 2 * lease), 2);
        assert_eq!(update(2, &[0], start + 2 * lease), OLDEST_VERSION);
    }
}
