//! The deadlines of a connection, and how long its client may make the server wait. Pure: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

use super::LeastRate;

/// The deadlines of every connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionDeadlines {
    /// The longest time between the first byte of a request's head and the last.
    pub head_within: Duration,
    /// The longest time that a write may wait without the client accepting a byte.
    pub max_stall: Duration,
    /// How long the client may make one answer wait.
    pub answer: LeastRate,
}

/// What a connection does at the moment, as its requests and its session report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionPhase {
    /// Between two requests. Bytes that arrive belong to a head, which began at this time.
    Idle { head_since: Option<Instant> },
    /// A request is being answered, of whose body at most this many bytes have not arrived yet.
    Answering { missing: u64 },
    /// The connection is a WebSocket. Its session has its own deadlines.
    Session,
}

impl Default for ConnectionPhase {
    fn default() -> Self {
        Self::Idle { head_since: None }
    }
}

impl ConnectionPhase {
    /// Returns the phase after this many bytes arrived at `now`.
    pub(super) fn after_bytes(self, bytes: usize, now: Instant) -> Self {
        match self {
            Self::Idle { head_since: None } => Self::Idle { head_since: Some(now) },
            Self::Answering { missing } => {
                Self::Answering { missing: missing.saturating_sub(bytes as u64) }
            }
            Self::Idle { head_since: Some(_) } | Self::Session => self,
        }
    }

    /// Returns when the head that is arriving must be complete.
    pub(super) fn head_deadline(self, deadlines: &ConnectionDeadlines) -> Option<Instant> {
        match self {
            Self::Idle { head_since: Some(since) } => Some(since + deadlines.head_within),
            Self::Idle { head_since: None } | Self::Answering { .. } | Self::Session => None,
        }
    }
}

/// How an answer is accepted. Only the time in which a write waits counts, not the time in which the server works.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct AnswerPace {
    accepted: u64,
    waited: Duration,
}

impl AnswerPace {
    /// Counts bytes that were accepted after a write had waited for `waited`.
    pub(super) fn accept(&mut self, bytes: usize, waited: Duration) {
        self.accepted = self.accepted.saturating_add(bytes as u64);
        self.waited = self.waited.saturating_add(waited);
    }

    /// Returns how long a write may wait from now on.
    pub(super) fn patience(&self, deadlines: &ConnectionDeadlines) -> Duration {
        let allowed = deadlines.answer.time_for(self.accepted);
        allowed.saturating_sub(self.waited).min(deadlines.max_stall)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINES: ConnectionDeadlines = ConnectionDeadlines {
        head_within: Duration::from_secs(10),
        max_stall: Duration::from_secs(180),
        answer: LeastRate { patience: Duration::from_secs(10), bytes_per_second: 1_000 },
    };

    #[test]
    fn a_head_is_timed_from_its_first_byte_only_between_requests() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let begun = ConnectionPhase::Idle { head_since: None }.after_bytes(1, now);
        assert_eq!(begun.after_bytes(1, later), begun);
        assert_eq!(begun.head_deadline(&DEADLINES), Some(now + Duration::from_secs(10)));
        for phase in [ConnectionPhase::Answering { missing: 9 }, ConnectionPhase::Session] {
            assert_eq!(phase.after_bytes(1, now).head_deadline(&DEADLINES), None);
        }
    }

    #[test]
    fn a_client_that_accepts_at_the_least_rate_is_never_cut_off() {
        let mut pace = AnswerPace::default();
        for _ in 0..1_000 {
            assert!(pace.patience(&DEADLINES) >= Duration::from_secs(9));
            pace.accept(9_000, Duration::from_secs(9));
        }
    }

    #[test]
    fn a_client_that_accepts_single_bytes_uses_up_its_patience() {
        let mut pace = AnswerPace::default();
        let mut held = Duration::ZERO;
        while pace.patience(&DEADLINES) >= Duration::from_secs(1) {
            pace.accept(100, Duration::from_secs(1));
            held += Duration::from_secs(1);
        }
        assert!(held <= Duration::from_secs(12), "{held:?}");
    }

    #[test]
    fn nothing_at_all_may_wait_for_longer_than_the_stall() {
        let mut pace = AnswerPace::default();
        pace.accept(usize::MAX, Duration::ZERO);
        assert_eq!(pace.patience(&DEADLINES), DEADLINES.max_stall);
    }
}
