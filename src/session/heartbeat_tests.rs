use super::*;

fn options() -> SessionOptions {
    SessionOptions {
        ping_every: Duration::from_secs(30),
        silence_allowed: Duration::from_secs(90),
        stall_allowed: Duration::from_secs(60),
        init_within: Duration::from_secs(3),
        warn_before_expiry: Duration::from_secs(60),
        mailbox: 16,
    }
}

const SILENT: Overdue = Overdue::Silent { limit: Duration::from_secs(90) };

/// The life of a token that does not expire during a test.
const LONG: Duration = Duration::from_secs(100_000);

fn admitted(now: Instant, life: Duration) -> Heartbeat {
    admitted_with(&options(), now, life)
}

fn admitted_with(options: &SessionOptions, now: Instant, life: Duration) -> Heartbeat {
    let mut heartbeat = Heartbeat::new(options, now);
    heartbeat.init_received();
    heartbeat.set_token_life(now, life);
    heartbeat
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

#[test]
fn a_client_without_connection_init_is_closed() {
    let start = Instant::now();
    let mut heartbeat = Heartbeat::new(&options(), start);

    assert_eq!(heartbeat.check(start, start, None), (vec![], start + seconds(3)));
    let late = start + seconds(3);
    assert_eq!(heartbeat.check(late, late, None).0, [HeartbeatAction::Close(Overdue::Init)]);
}

#[test]
fn pings_are_sent_at_their_interval_and_silence_closes_the_session() {
    let start = Instant::now();
    let mut heartbeat = admitted(start, LONG);

    assert_eq!(heartbeat.check(start, start, None), (vec![], start + seconds(30)));
    for ping in [30, 60] {
        let now = start + seconds(ping);
        let next = now + seconds(30);
        assert_eq!(heartbeat.check(now, start, None), (vec![HeartbeatAction::Ping], next));
    }
    let now = start + seconds(90);
    assert_eq!(heartbeat.check(now, start, None).0, [HeartbeatAction::Close(SILENT)]);
}

#[test]
fn after_a_suspended_process_waiting_bytes_are_read_before_silence_is_judged() {
    let start = Instant::now();
    let mut heartbeat = admitted(start, LONG);
    heartbeat.check(start, start, None);
    let awake = start + seconds(1_000);
    let next = awake + seconds(1);
    assert_eq!(heartbeat.check(awake, start, None), (vec![HeartbeatAction::Ping], next));
    let received = awake + Duration::from_millis(1);
    assert_eq!(heartbeat.check(next, received, None).0, []);

    let mut heartbeat = admitted(start, LONG);
    heartbeat.check(start, start, None);
    heartbeat.check(awake, start, None);
    let due = heartbeat.check(next, start, None).0;
    assert_eq!(due, [HeartbeatAction::Close(SILENT)], "nothing waited on the socket");
}

#[test]
fn a_client_that_sends_something_stays() {
    let start = Instant::now();
    let mut heartbeat = admitted(start, LONG);
    let now = start + seconds(119);
    assert_eq!(heartbeat.check(now, start + seconds(30), None).0, [HeartbeatAction::Ping]);
}

#[test]
fn a_stalled_client_is_too_slow_even_if_it_sends() {
    let start = Instant::now();
    let mut heartbeat = admitted(start, LONG);
    let now = start + seconds(61);
    let due = heartbeat.check(now, now, Some(start + seconds(1))).0;
    assert_eq!(due, [HeartbeatAction::Close(Overdue::Stalled)]);
}

#[test]
fn silence_and_stalls_have_limits_of_their_own() {
    let start = Instant::now();
    let phones = SessionOptions { silence_allowed: seconds(300), ..options() };
    let closes = |actions: Vec<HeartbeatAction>| {
        actions.into_iter().find(|action| matches!(action, HeartbeatAction::Close(_)))
    };

    let mut asleep = admitted_with(&phones, start, LONG);
    let mut stalled = admitted_with(&phones, start, LONG);
    for second in 1..=59 {
        let now = start + seconds(second);
        assert_eq!(closes(asleep.check(now, start, None).0), None);
        assert_eq!(closes(stalled.check(now, start, Some(start)).0), None);
    }
    let now = start + seconds(60);
    let too_slow = HeartbeatAction::Close(Overdue::Stalled);
    assert_eq!(closes(stalled.check(now, start, Some(start)).0), Some(too_slow));
    for second in 60..=299 {
        let now = start + seconds(second);
        assert_eq!(closes(asleep.check(now, start, None).0), None);
    }
    let silent = HeartbeatAction::Close(Overdue::Silent { limit: seconds(300) });
    assert_eq!(closes(asleep.check(start + seconds(300), start, None).0), Some(silent));
}

#[test]
fn a_stalled_client_is_not_judged_silent() {
    let start = Instant::now();
    let patient = SessionOptions { stall_allowed: seconds(600), ..options() };
    let mut heartbeat = admitted_with(&patient, start, LONG);
    for second in (30..600).step_by(30) {
        let due = heartbeat.check(start + seconds(second), start, Some(start)).0;
        assert_eq!(due, [HeartbeatAction::Ping], "after {second} s");
    }
}

#[test]
fn a_client_is_warned_once_before_its_token_expires_unless_it_renews_it() {
    let start = Instant::now();
    let mut heartbeat = admitted(start, seconds(80));

    let warning = start + seconds(20);
    assert_eq!(heartbeat.check(start, start, None).1, warning);
    let (due, next) = heartbeat.check(warning, warning, None);
    assert_eq!((due, next), (vec![HeartbeatAction::WarnOfExpiry], start + seconds(30)));
    let now = start + seconds(79);
    let next = start + seconds(80);
    assert_eq!(heartbeat.check(now, now, None), (vec![HeartbeatAction::Ping], next));

    let mut renewed = admitted(start, seconds(80));
    renewed.set_token_life(now, seconds(3_600));
    let after = start + seconds(81);
    assert_eq!(renewed.check(after, after, None).0, [HeartbeatAction::Ping]);

    let end = start + seconds(80);
    assert_eq!(heartbeat.check(end, end, None).0, [HeartbeatAction::Close(Overdue::Token)]);
}

#[test]
fn a_token_that_is_shorter_than_the_warning_time_brings_no_warning() {
    let start = Instant::now();
    let mut heartbeat = admitted(start, seconds(10));
    let now = start + seconds(5);
    assert_eq!(heartbeat.check(now, now, None), (vec![], start + seconds(10)));
}

#[test]
fn a_client_that_does_not_answer_the_ping_of_a_probe_is_dead() {
    let start = Instant::now();
    let mut heartbeat = admitted(start, LONG);
    let answer_by = start + ANSWER_WITHIN;

    assert_eq!(heartbeat.probe(start, start), ProbeStep::Ping(answer_by));
    assert!(!heartbeat.is_unanswered(answer_by, start + seconds(1)), "it has sent something");
    let before = start - seconds(1);
    assert!(heartbeat.is_unanswered(answer_by, before));
    assert!(!heartbeat.is_unanswered(answer_by - seconds(1), before), "it still has time");
}

#[test]
fn probes_share_a_ping_and_leave_a_client_that_has_answered_alone() {
    let start = Instant::now();
    let mut heartbeat = admitted(start, LONG);
    let (before, now) = (start - seconds(1), start + seconds(1));
    heartbeat.probe(start, before);

    assert_eq!(heartbeat.probe(now, before), ProbeStep::Wait(start + ANSWER_WITHIN));
    assert_eq!(heartbeat.probe(now, now), ProbeStep::Answered);
    let later = start + PROBE_EVERY;
    assert_eq!(heartbeat.probe(later, now), ProbeStep::Ping(later + ANSWER_WITHIN));
}

#[test]
fn an_unanswered_ping_of_the_heartbeat_shortens_a_probe() {
    let start = Instant::now();
    let mut heartbeat = admitted(start, LONG);
    heartbeat.check(start, start, None);
    let pinged = start + seconds(30);
    heartbeat.check(pinged, start, None);

    // Long enough to read what waits on the socket.
    let now = pinged + seconds(20);
    assert_eq!(heartbeat.probe(now, start), ProbeStep::Wait(now + SUSPENDED));
    assert!(heartbeat.is_unanswered(now + SUSPENDED, start));
    // The next ping of the heartbeat changes nothing.
    let next = start + seconds(60);
    heartbeat.check(next, start, None);
    assert!(heartbeat.is_unanswered(next, start));
}
