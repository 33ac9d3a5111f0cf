//! Envelopes that are not delivered: why, how they are counted, and what the log advises.
//!
//! A peer, or an attacker, can send any number of them, so each reason is logged once in a while.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{metrics::Metrics, wire::envelope::BadEnvelope};

/// The time between two lines about the same reason.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Why an envelope is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EnvelopeRefusal {
    /// It cannot be decoded, or its tag is wrong.
    Bad(BadEnvelope),
    /// It is not signed, and this node accepts signed ones only.
    Unsigned,
    /// It was received before.
    Repeated,
    /// It is so old that it may have been received before.
    TooOld,
}

impl From<BadEnvelope> for EnvelopeRefusal {
    fn from(bad: BadEnvelope) -> Self {
        Self::Bad(bad)
    }
}

impl EnvelopeRefusal {
    fn label(self) -> &'static str {
        match self {
            Self::Bad(BadEnvelope::UnknownVersion) => "unknown_version",
            Self::Bad(BadEnvelope::Garbage) => "garbage",
            Self::Bad(BadEnvelope::BadSignature) => "bad_signature",
            Self::Unsigned => "unsigned",
            Self::Repeated => "repeated",
            Self::TooOld => "too_old",
        }
    }

    /// Returns what to do about it, and the place of its time in [`RefusedEnvelopes`]. `None` for what the metric tells well
    /// enough.
    fn advice(self) -> Option<(usize, &'static str)> {
        Some(match self {
            Self::Bad(BadEnvelope::UnknownVersion | BadEnvelope::Garbage) => return None,
            Self::Unsigned => (
                0,
                "refused unsigned envelopes; if nodes of a release before envelope version 5 still run, set \
                 redis.accept_unsigned on the newer nodes until the last of them has stopped; otherwise find out who \
                 else publishes in this Redis",
            ),
            Self::Bad(BadEnvelope::BadSignature) => (
                1,
                "refused envelopes with a wrong signature; give all nodes the same auth.secret (JWT_SECRET); if they \
                 have, find out who else publishes in this Redis",
            ),
            Self::Repeated | Self::TooOld => (
                2,
                "refused envelopes that were received before or are too old; if it goes on, find out who else \
                 publishes in this Redis",
            ),
        })
    }
}

/// Counts and logs refused envelopes.
pub(super) struct RefusedEnvelopes {
    metrics: Metrics,
    /// When each kind of advice was last logged.
    logged_at: Mutex<[Option<Instant>; 3]>,
}

impl RefusedEnvelopes {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, logged_at: Mutex::default() }
    }

    /// Counts a refused envelope, and logs it unless its reason was logged lately.
    pub(super) fn note(&self, refusal: EnvelopeRefusal) {
        let reason = refusal.label();
        self.metrics.envelope_ignored(reason);
        if let Some((place, advice)) = refusal.advice()
            && self.is_due(place, Instant::now())
        {
            tracing::warn!(reason, "{advice}");
        }
    }

    fn is_due(&self, place: usize, now: Instant) -> bool {
        let logged_at = &mut self.logged_at.lock()[place];
        let is_due = logged_at.is_none_or(|at| now.duration_since(at) >= LOG_EVERY);
        if is_due {
            *logged_at = Some(now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_advice_is_logged_once_in_a_while() {
        let refused = RefusedEnvelopes::new(Metrics::new());
        let start = Instant::now();
        assert!(refused.is_due(0, start) && refused.is_due(1, start));
        assert!(!refused.is_due(0, start + LOG_EVERY / 2));
        assert!(refused.is_due(0, start + LOG_EVERY));
        assert!(!refused.is_due(0, start + LOG_EVERY));
    }

    #[test]
    fn every_refusal_is_counted_by_its_reason() {
        let metrics = Metrics::new();
        let refused = RefusedEnvelopes::new(metrics.clone());
        for refusal in [
            BadEnvelope::UnknownVersion.into(),
            BadEnvelope::Garbage.into(),
            BadEnvelope::BadSignature.into(),
            EnvelopeRefusal::Unsigned,
            EnvelopeRefusal::Repeated,
            EnvelopeRefusal::TooOld,
        ] {
            refused.note(refusal);
            let line = format!("coscribe_relay_ignored_total{{reason=\"{}\"}} 1", refusal.label());
            let page = metrics.render().unwrap();
            assert!(page.lines().any(|there| there == line), "{line} is missing in\n{page}");
        }
    }
}
