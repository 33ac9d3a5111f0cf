//! When a session pings, warns or closes: the rules about time, with time as an argument.
//!
//! [`Heartbeat`] owns the limits and is the only place that enforces them, so acknowledgements and close texts read
//! the numbers from it. One deadline covers all rules; an idle session costs one timer.
//!
//! A client is silent while none of its bytes arrive, and stalled while it accepts none of the frames that are queued
//! for it. A stalled client is never judged silent, because its socket may not be read at that time. After the whole
//! process was suspended, the bytes that wait on the sockets are read before any client is judged.
//!
//! A probe asks earlier whether a client still exists: it sends a ping, unless one is unanswered already, and the client
//! counts as dead if nothing arrives from it within [`ANSWER_WITHIN`].

use std::time::Duration;

use tokio::time::Instant;

use super::SessionOptions;

/// A timer that fires this late shows that the whole process was suspended. Clients are not judged for as long again,
/// so that the bytes that wait on their sockets can be read first.
pub(super) const SUSPENDED: Duration = Duration::from_secs(1);

/// How long a client that is probed may take to answer. A round trip takes far less, even over a mobile network.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// How long the page of a HocuspocusProvider may take to send a token. It may have to get one from its application first.
const TOKEN_WITHIN: Duration = Duration::from_secs(30);

/// A client that has answered a ping is not probed again for this long.
const PROBE_EVERY: Duration = Duration::from_secs(3);

/// What a probe does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProbeStep {
    /// Nothing: the client has answered a recent ping.
    Answered,
    /// Send a ping, and look for the answer at this time.
    Ping(Instant),
    /// Look for the answer to an earlier ping at this time.
    Wait(Instant),
}

/// An action that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeartbeatAction {
    /// Send a ping frame.
    Ping,
    /// Warn the client that its token expires.
    WarnOfExpiry,
    /// Close the session.
    Close(Overdue),
}

/// The time limit that was exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// `connection_init` did not arrive.
    Init,
    /// The client sent nothing.
    Silent {
        /// For this long.
        limit: Duration,
    },
    /// The client accepted none of the queued frames.
    Stalled,
    /// The token expired.
    Token,
}

/// The time limits of one session and its next deadlines.
#[derive(Debug)]
pub(super) struct Heartbeat {
    ping_every: Duration,
    silence_allowed: Duration,
    stall_allowed: Duration,
    warn_before_expiry: Duration,
    /// When `connection_init` must have arrived; `None` once it has.
    init_by: Option<Instant>,
    next_ping: Instant,
    /// The first ping since which nothing has arrived, or the last ping.
    pinged_at: Option<Instant>,
    /// When to warn, unless that is done, and when the token expires.
    token: Option<(Option<Instant>, Instant)>,
    /// The deadline that the last check returned.
    expected_at: Option<Instant>,
    /// Before this time no client is judged silent or stalled.
    judge_from: Instant,
}

impl Heartbeat {
    /// Creates the heartbeat of a session that opened at `now`.
    pub(super) fn new(options: &SessionOptions, now: Instant) -> Self {
        Self {
            ping_every: options.ping_every,
            silence_allowed: options.silence_allowed,
            stall_allowed: options.stall_allowed,
            warn_before_expiry: options.warn_before_expiry,
            init_by: Some(now + options.init_within),
            next_ping: now + options.ping_every,
            pinged_at: None,
            token: None,
            expected_at: None,
            judge_from: now,
        }
    }

    /// Returns the interval between pings.
    pub(super) fn ping_every(&self) -> Duration {
        self.ping_every
    }

    /// Returns how long the client may send nothing.
    pub(super) fn silence_allowed(&self) -> Duration {
        self.silence_allowed
    }

    /// Notes that `connection_init` arrived. The time that authentication takes does not count against the client.
    pub(super) fn init_received(&mut self) {
        self.init_by = None;
    }

    /// Notes that the page of a HocuspocusProvider may take a while to send a token, or another one after one was refused.
    pub(super) fn await_token(&mut self, now: Instant) {
        self.init_by = Some(now + TOKEN_WITHIN);
    }

    /// Sets the time until the client's token expires.
    pub(super) fn set_token_life(&mut self, now: Instant, life: Duration) {
        // A token that lives no longer than the warning time brings no warning: the client has just obtained it.
        let warn_in = life.checked_sub(self.warn_before_expiry).filter(|left| !left.is_zero());
        self.token = Some((warn_in.map(|left| now + left), now + life));
    }

    /// Returns the actions that are due at `now`, and when to check again.
    ///
    /// `received_at` is when bytes last arrived. `stalled_since` is the time since which frames are queued and the socket
    /// accepts none of them.
    pub(super) fn check(
        &mut self,
        now: Instant,
        received_at: Instant,
        stalled_since: Option<Instant>,
    ) -> (Vec<HeartbeatAction>, Instant) {
        if self.expected_at.is_some_and(|expected| now >= expected + SUSPENDED) {
            self.judge_from = now + SUSPENDED;
        }
        let (limit_at, overdue) = self.peer_limit(received_at, stalled_since);
        if now >= limit_at {
            return (vec![HeartbeatAction::Close(overdue)], now);
        }
        if self.init_by.is_some_and(|by| now >= by) {
            return (vec![HeartbeatAction::Close(Overdue::Init)], now);
        }
        let mut due = Vec::new();
        if let Some((warn_at, expires_at)) = &mut self.token {
            if now >= *expires_at {
                return (vec![HeartbeatAction::Close(Overdue::Token)], now);
            }
            if warn_at.is_some_and(|at| now >= at) {
                *warn_at = None;
                due.push(HeartbeatAction::WarnOfExpiry);
            }
        }
        if now >= self.next_ping {
            self.next_ping = now + self.ping_every;
            self.note_ping(now, received_at);
            due.push(HeartbeatAction::Ping);
        }
        let next = self.next_deadline(limit_at);
        self.expected_at = Some(next);
        (due, next)
    }

    /// Begins to probe the client at `now`. `received_at` is when bytes last arrived.
    pub(super) fn probe(&mut self, now: Instant, received_at: Instant) -> ProbeStep {
        match self.pinged_at {
            Some(at) if received_at < at => {
                // After the process was suspended, the answer may wait on the socket.
                ProbeStep::Wait((at + ANSWER_WITHIN).max(now + SUSPENDED))
            }
            Some(at) if now < at + PROBE_EVERY => ProbeStep::Answered,
            Some(_) | None => {
                self.note_ping(now, received_at);
                ProbeStep::Ping(now + ANSWER_WITHIN)
            }
        }
    }

    /// Returns whether a ping has not been answered in time. Nothing is said of a process that was suspended until just
    /// now.
    pub(super) fn is_unanswered(&self, now: Instant, received_at: Instant) -> bool {
        let is_late = |at| received_at < at && now >= at + ANSWER_WITHIN;
        now >= self.judge_from && self.pinged_at.is_some_and(is_late)
    }

    fn note_ping(&mut self, now: Instant, received_at: Instant) {
        if self.pinged_at.is_none_or(|at| received_at >= at) {
            self.pinged_at = Some(now);
        }
    }

    /// Returns when the client's silence or stall becomes too long, and what it is then.
    fn peer_limit(
        &self,
        received_at: Instant,
        stalled_since: Option<Instant>,
    ) -> (Instant, Overdue) {
        let (at, overdue) = match stalled_since {
            Some(since) => (since + self.stall_allowed, Overdue::Stalled),
            None => {
                let limit = self.silence_allowed;
                (received_at + limit, Overdue::Silent { limit })
            }
        };
        (at.max(self.judge_from), overdue)
    }

    fn next_deadline(&self, limit_at: Instant) -> Instant {
        let token = self.token.map(|(warn_at, expires_at)| warn_at.unwrap_or(expires_at));
        let others = [self.init_by, token].into_iter().flatten();
        others.fold(limit_at.min(self.next_ping), Instant::min)
    }
}

#[cfg(test)]
#[path = "heartbeat_tests.rs"]
mod tests;
