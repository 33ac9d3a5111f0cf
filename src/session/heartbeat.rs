//! When a session must speak, warn or end: the rules about time, with time as an argument.
//!
//! One deadline covers them all, so that an idle session costs one timer. A client is heard when bytes of it
//! arrive, whatever they say; a client that leaves its answers lying is slow, not silent. After the process was held up
//! (paused, or its machine asleep) what waits on the sockets is read before anybody is judged silent.

use std::time::Duration;

use tokio::time::Instant;

use super::SessionOptions;

/// A timer that comes so late was held up together with everything else; for as long what waits may be read then.
const HELD_UP: Duration = Duration::from_secs(1);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeartbeatAction {
    /// Send a ping frame.
    Ping,
    /// Tell the client that its token runs out.
    WarnOfExpiry,
    /// End the session.
    End(Overdue),
}

/// Which limit of time has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// No `connection_init` came.
    Init,
    /// Nothing was heard.
    Silent,
    /// Nothing was taken.
    TooSlow,
    /// The token ran out.
    Token,
}

/// The clockwork of one session.
#[derive(Debug)]
pub(super) struct Heartbeat {
    ping_every: Duration,
    silence_allowed: Duration,
    /// Until then the client must have been admitted; none once it is.
    init_by: Option<Instant>,
    next_ping: Instant,
    /// When to warn, if that is still to be done, and when to end.
    token: Option<(Option<Instant>, Instant)>,
    /// When it was to be asked again, once it was asked.
    awaited: Option<Instant>,
    /// From when on silence is judged.
    judged_from: Instant,
}

impl Heartbeat {
    /// The clockwork of a session that opened `now`.
    pub(super) fn new(options: &SessionOptions, now: Instant) -> Self {
        Self {
            ping_every: options.ping_every,
            silence_allowed: options.silence_allowed,
            init_by: Some(now + options.init_within),
            next_ping: now + options.ping_every,
            token: None,
            awaited: None,
            judged_from: now,
        }
    }

    /// `connection_init` came in time; how long it takes to look at it is not the client's doing.
    pub(super) fn introduced(&mut self) {
        self.init_by = None;
    }

    /// The client was admitted, or showed a fresh token: it runs out in `life`.
    pub(super) fn admitted(&mut self, now: Instant, life: Duration, warn_before: Duration) {
        // A token that is shorter than the warning is not warned of: the client has just made it.
        let warn_at = life.checked_sub(warn_before).filter(|left| !left.is_zero());
        self.token = Some((warn_at.map(|left| now + left), now + life));
    }

    /// What is due `now`, and when to ask again.
    ///
    /// `heard` is when bytes last came; `stalled` since when bytes wait that the socket does not take.
    pub(super) fn beat(
        &mut self,
        now: Instant,
        heard: Instant,
        stalled: Option<Instant>,
    ) -> (Vec<HeartbeatAction>, Instant) {
        let mut due = Vec::new();
        if self.awaited.is_some_and(|awaited| now >= awaited + HELD_UP) {
            self.judged_from = now + HELD_UP;
        }
        let quiet_until = (stalled.unwrap_or(heard) + self.silence_allowed).max(self.judged_from);
        if now >= quiet_until {
            let overdue = if stalled.is_some() { Overdue::TooSlow } else { Overdue::Silent };
            return (vec![HeartbeatAction::End(overdue)], now);
        }
        if self.init_by.is_some_and(|by| now >= by) {
            return (vec![HeartbeatAction::End(Overdue::Init)], now);
        }
        if let Some((warn_at, ends_at)) = &mut self.token {
            if now >= *ends_at {
                return (vec![HeartbeatAction::End(Overdue::Token)], now);
            }
            if warn_at.is_some_and(|at| now >= at) {
                *warn_at = None;
                due.push(HeartbeatAction::WarnOfExpiry);
            }
        }
        if now >= self.next_ping {
            self.next_ping = now + self.ping_every;
            due.push(HeartbeatAction::Ping);
        }
        let next = self.next_deadline(quiet_until);
        self.awaited = Some(next);
        (due, next)
    }

    fn next_deadline(&self, quiet_until: Instant) -> Instant {
        let token = self.token.map(|(warn_at, ends_at)| warn_at.unwrap_or(ends_at));
        let others = [self.init_by, token].into_iter().flatten();
        others.fold(quiet_until.min(self.next_ping), Instant::min)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> SessionOptions {
        SessionOptions {
            ping_every: Duration::from_secs(30),
            silence_allowed: Duration::from_secs(90),
            init_within: Duration::from_secs(3),
            warn_before_expiry: Duration::from_secs(60),
            mailbox: 16,
        }
    }

    fn admitted(now: Instant, life: Duration) -> Heartbeat {
        let mut heartbeat = Heartbeat::new(&options(), now);
        heartbeat.introduced();
        heartbeat.admitted(now, life, options().warn_before_expiry);
        heartbeat
    }

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    const LONG: Duration = Duration::from_secs(100_000);

    #[test]
    fn a_client_that_is_not_admitted_in_time_is_ended() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(&options(), start);

        assert_eq!(heartbeat.beat(start, start, None), (vec![], start + seconds(3)));
        let late = start + seconds(3);
        assert_eq!(heartbeat.beat(late, late, None).0, vec![HeartbeatAction::End(Overdue::Init)]);
    }

    #[test]
    fn pings_go_out_at_their_interval_and_silence_ends_it() {
        let start = Instant::now();
        let mut heartbeat = admitted(start, LONG);

        assert_eq!(heartbeat.beat(start, start, None), (vec![], start + seconds(30)));
        for ping in [30, 60] {
            let now = start + seconds(ping);
            assert_eq!(
                heartbeat.beat(now, start, None),
                (vec![HeartbeatAction::Ping], now + seconds(30))
            );
        }
        let now = start + seconds(90);
        assert_eq!(heartbeat.beat(now, start, None).0, vec![HeartbeatAction::End(Overdue::Silent)]);
    }

    #[test]
    fn after_the_process_slept_what_waits_is_read_before_anybody_is_judged_silent() {
        let start = Instant::now();
        let mut heartbeat = admitted(start, LONG);
        heartbeat.beat(start, start, None);
        let awake = start + seconds(1_000);
        assert_eq!(
            heartbeat.beat(awake, start, None),
            (vec![HeartbeatAction::Ping], awake + seconds(1))
        );
        let heard = awake + Duration::from_millis(1);
        assert_eq!(heartbeat.beat(awake + seconds(1), heard, None).0, vec![]);

        let mut heartbeat = admitted(start, LONG);
        heartbeat.beat(start, start, None);
        heartbeat.beat(awake, start, None);
        let beat = heartbeat.beat(awake + seconds(1), start, None);
        assert_eq!(beat.0, vec![HeartbeatAction::End(Overdue::Silent)], "nothing waited");
    }

    #[test]
    fn whoever_is_heard_lives_on() {
        let start = Instant::now();
        let mut heartbeat = admitted(start, LONG);
        let now = start + seconds(119);
        assert_eq!(heartbeat.beat(now, start + seconds(30), None).0, vec![HeartbeatAction::Ping]);
    }

    #[test]
    fn a_client_that_takes_nothing_is_slow_even_if_it_speaks() {
        let start = Instant::now();
        let mut heartbeat = admitted(start, LONG);
        let now = start + seconds(91);
        let beat = heartbeat.beat(now, now, Some(start + seconds(1)));
        assert_eq!(beat.0, vec![HeartbeatAction::End(Overdue::TooSlow)]);
    }

    #[test]
    fn expiry_is_warned_of_once_and_then_ends_it_unless_the_token_is_renewed() {
        let start = Instant::now();
        let mut heartbeat = admitted(start, seconds(80));

        let warning = start + seconds(20);
        assert_eq!(heartbeat.beat(start, start, None).1, warning);
        let (due, next) = heartbeat.beat(warning, warning, None);
        assert_eq!((due, next), (vec![HeartbeatAction::WarnOfExpiry], start + seconds(30)));
        let now = start + seconds(79);
        assert_eq!(
            heartbeat.beat(now, now, None),
            (vec![HeartbeatAction::Ping], start + seconds(80))
        );

        let mut renewed = admitted(start, seconds(80));
        renewed.admitted(now, seconds(3_600), seconds(60));
        let after = start + seconds(81);
        assert_eq!(renewed.beat(after, after, None).0, vec![HeartbeatAction::Ping]);

        let end = start + seconds(80);
        assert_eq!(heartbeat.beat(end, end, None).0, vec![HeartbeatAction::End(Overdue::Token)]);
    }

    #[test]
    fn a_token_shorter_than_the_warning_is_not_warned_of() {
        let start = Instant::now();
        let mut heartbeat = admitted(start, seconds(10));
        let now = start + seconds(5);
        assert_eq!(heartbeat.beat(now, now, None), (vec![], start + seconds(10)));
    }
}
