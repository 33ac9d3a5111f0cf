//! Signs what this node publishes for other nodes, and decides in which version.
//!
//! The relay and the roster both publish envelopes and share the signer, so that no two envelopes of the node have the same
//! serial.

use std::sync::{
    Arc,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use super::RedisOptions;
use crate::wire::envelope::{OLDEST_VERSION, RelayKey, SIGNED_SINCE, Serial, SerialSeries};

/// Signs the envelopes of one node.
#[derive(Debug)]
pub struct RelaySigner {
    key: RelayKey,
    own_version: u8,
    accepts_unsigned: bool,
    /// The newest envelope version that every node reads, as the roster's keeper found.
    common_version: Arc<AtomicU8>,
    relay: AtomicU64,
    roster: AtomicU64,
}

impl RelaySigner {
    /// Creates the signer of a node. All nodes need the same key.
    #[must_use]
    pub fn new(key: RelayKey, options: &RedisOptions) -> Self {
        Self {
            key,
            own_version: options.envelope_version,
            accepts_unsigned: options.accepts_unsigned(),
            common_version: Arc::new(AtomicU8::new(OLDEST_VERSION)),
            relay: AtomicU64::new(1),
            roster: AtomicU64::new(1),
        }
    }

    /// Returns the key that verifies the envelopes of other nodes.
    #[must_use]
    pub fn key(&self) -> &RelayKey {
        &self.key
    }

    /// Returns the newest envelope version that this node reads.
    #[must_use]
    pub fn own_version(&self) -> u8 {
        self.own_version
    }

    /// Returns whether this node reads envelopes that are not signed.
    #[must_use]
    pub fn accepts_unsigned(&self) -> bool {
        self.accepts_unsigned
    }

    /// Returns the place of the newest envelope version that every node reads.
    #[must_use]
    pub fn common_version(&self) -> &Arc<AtomicU8> {
        &self.common_version
    }

    /// Returns the envelope version to write: the newest that every node reads. A node that refuses unsigned envelopes
    /// writes none either: Redis lists the versions of the nodes, and could ask for unsigned ones with an entry of its own.
    #[must_use]
    pub fn version(&self) -> u8 {
        if self.accepts_unsigned {
            self.common_version.load(Ordering::Relaxed)
        } else {
            self.own_version
        }
    }

    /// Signs an encoded envelope for a channel, unless an unsigned version is to be written.
    #[must_use]
    pub fn sign(&self, series: SerialSeries, channel: &str, envelope: &[u8]) -> Vec<u8> {
        if self.version() < SIGNED_SINCE {
            return envelope.to_vec();
        }
        let next = match series {
            SerialSeries::Relay => &self.relay,
            SerialSeries::Roster => &self.roster,
        };
        let number = next.fetch_add(1, Ordering::Relaxed);
        self.key.sign(channel, Serial { series, number }, envelope)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::wire::envelope::{NEWEST_VERSION, is_signed};

    fn signer(envelope_version: u8, accept_unsigned: bool) -> RelaySigner {
        let options = RedisOptions {
            url: String::new(),
            ca: None,
            answer_within: Duration::from_secs(1),
            prefix: "co".into(),
            envelope_version,
            accept_unsigned,
        };
        RelaySigner::new(RelayKey::derive(b"secret"), &options)
    }

    fn signs(signer: &RelaySigner) -> bool {
        is_signed(&signer.sign(SerialSeries::Relay, "channel", &[1, 2, 3]))
    }

    #[test]
    fn a_node_signs_when_every_node_reads_signatures_or_when_it_requires_them() {
        let (strict, lenient, old) =
            (signer(NEWEST_VERSION, false), signer(NEWEST_VERSION, true), signer(4, false));
        assert!(!strict.accepts_unsigned() && lenient.accepts_unsigned() && old.accepts_unsigned());
        for common in [OLDEST_VERSION, 4] {
            for signer in [&strict, &lenient, &old] {
                signer.common_version().store(common, Ordering::Relaxed);
            }
            assert_eq!([&strict, &lenient, &old].map(signs), [true, false, false]);
            assert_eq!(strict.version(), NEWEST_VERSION);
            assert_eq!(old.version(), common);
        }
        lenient.common_version().store(SIGNED_SINCE, Ordering::Relaxed);
        assert!(signs(&lenient));
    }

    #[test]
    fn the_numbers_of_a_series_increase() {
        let signer = signer(NEWEST_VERSION, false);
        let serial = |series| {
            let mut signed = signer.sign(series, "channel", &[1; 20]);
            if series == SerialSeries::Roster {
                signed.extend([0; 16]);
            }
            signer.key().verify(b"channel", &signed).unwrap().0
        };
        for number in 1..4 {
            for series in [SerialSeries::Relay, SerialSeries::Roster] {
                assert_eq!(serial(series), Serial { series, number });
            }
        }
    }
}
