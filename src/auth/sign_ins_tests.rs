//! Who may try to sign in, after which failures.

use super::*;

const LIMITS: SignInLimits =
    SignInLimits { failures_of_pair: 5, failures_of_source: 12, failures_of_account: 10 };

const HOUR: Duration = Duration::from_secs(3_600);

fn source(last: u8) -> Option<Network> {
    Some(Network::of([192, 0, 2, last].into()))
}

fn email(name: &str) -> Email {
    Email::new(&format!("{name}@example.org")).unwrap()
}

/// Lets sources from 1 on fail with Alice's account, a few times each, this many times in total.
fn attack(sign_ins: &SignIns, failures: u8, now: Instant) {
    for failure in 0..failures {
        let attempt = sign_ins.begin(&email("alice"), source(1 + failure / 3), now).unwrap();
        assert!(!attempt.settle(false, now).unwrap());
    }
}

/// Lets a source fail until it is refused, and returns how often it failed.
fn failures_until_refused(
    sign_ins: &SignIns,
    name: &str,
    source: Option<Network>,
    now: Instant,
) -> usize {
    let fail = || sign_ins.begin(&email(name), source, now)?.settle(false, now);
    (0..100).take_while(|_| fail().is_ok()).count()
}

#[test]
fn failures_of_one_source_refuse_that_source_only() {
    let (sign_ins, now) = (SignIns::new(LIMITS), Instant::now());
    assert_eq!(failures_until_refused(&sign_ins, "alice", source(1), now), 5);
    let refused = sign_ins.begin(&email("alice"), source(1), now).err().unwrap();
    assert_eq!(
        refused.to_string(),
        "Too many failed attempts to sign in to this account from your network: at most 5 per hour. Try again in 721 s."
    );
    // It may still try other accounts, but only a limited number.
    assert_eq!(failures_until_refused(&sign_ins, "bob", source(1), now), 5);
    assert_eq!(failures_until_refused(&sign_ins, "carol", source(1), now), 2);
    assert!(sign_ins.begin(&email("alice"), source(2), now).unwrap().settle(true, now).unwrap());
    assert_eq!(failures_until_refused(&sign_ins, "carol", source(1), now + HOUR), 5);
}

#[test]
fn successes_refuse_nothing() {
    let (sign_ins, now) = (SignIns::new(LIMITS), Instant::now());
    let attempts: Vec<_> =
        (0..40).map(|_| sign_ins.begin(&email("alice"), source(1), now).unwrap()).collect();
    for attempt in attempts {
        assert!(attempt.settle(true, now).unwrap());
    }
}

#[test]
fn more_successes_than_a_person_needs_have_a_worse_rank() {
    let (sign_ins, now) = (SignIns::new(LIMITS), Instant::now());
    let sign_in = |name: &str, now| {
        let attempt = sign_ins.begin(&email(name), source(1), now).unwrap();
        let rank = attempt.turn().rank;
        assert!(attempt.settle(true, now).unwrap());
        rank
    };
    let ranks: Vec<_> = (0..30).map(|_| sign_in("alice", now)).collect();
    assert_eq!(ranks[0], HashRank::Quiet);
    assert!(ranks[1..20].iter().all(|rank| *rank == HashRank::Known), "{ranks:?}");
    assert!(ranks[20..].iter().all(|rank| *rank == HashRank::Quiet), "{ranks:?}");
    // Others at the same source keep theirs, until all of them together have signed in too often.
    assert_eq!((sign_in("bob", now), sign_in("bob", now)), (HashRank::Quiet, HashRank::Known));
    for account in 0..200 {
        sign_in(&format!("account-{account}"), now);
    }
    assert_eq!((sign_in("alice", now), sign_in("bob", now)), (HashRank::Suspect, HashRank::Known));
    assert_eq!(sign_in("carol", now + 2 * HOUR), HashRank::Quiet);
    assert_eq!(sign_in("alice", now + 2 * HOUR), HashRank::Known);
}

#[test]
fn of_many_guesses_at_once_no_more_are_answered() {
    let (sign_ins, now) = (SignIns::new(LIMITS), Instant::now());
    let guesses: Vec<_> =
        (0..40).map(|_| sign_ins.begin(&email("alice"), source(1), now).unwrap()).collect();
    let answers: Vec<_> = guesses
        .into_iter()
        .enumerate()
        .map(|(number, guess)| guess.settle(number == 39, now))
        .collect();
    assert_eq!(answers.iter().filter(|answer| **answer == Ok(false)).count(), 5);
    assert!(answers[39].is_err());
}

#[tokio::test(start_paused = true)]
async fn an_attacked_account_serves_the_sources_that_it_knows() {
    let (sign_ins, now) = (SignIns::new(LIMITS), Instant::now());
    let alice = email("alice");
    assert!(sign_ins.begin(&alice, source(100), now).unwrap().settle(true, now).unwrap());
    attack(&sign_ins, 10, now);

    // The owner at home has no wait, and all attempts.
    let at_home = sign_ins.begin(&alice, source(100), now).unwrap();
    at_home.delay().await;
    assert_eq!(Instant::now(), now);
    assert_eq!(at_home.turn().rank, HashRank::Known);
    drop(at_home);
    assert_eq!(failures_until_refused(&sign_ins, "alice", source(100), now), 5);

    // Elsewhere, the right password is accepted after a wait. The wrong one has fewer attempts.
    let elsewhere = sign_ins.begin(&alice, source(101), now).unwrap();
    elsewhere.delay().await;
    let waited = now.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_secs(5)).contains(&waited), "{waited:?}");
    assert!(elsewhere.settle(true, Instant::now()).unwrap());
    assert_eq!(failures_until_refused(&sign_ins, "alice", source(102), now), 3);
    // Other accounts are not affected.
    assert_eq!(failures_until_refused(&sign_ins, "bob", source(103), now), 5);
}

#[test]
fn a_source_that_an_account_knows_is_not_refused_for_other_accounts() {
    let (sign_ins, now) = (SignIns::new(LIMITS), Instant::now());
    sign_ins.note_known(&email("alice"), source(1));
    for name in ["bob", "carol", "dave"] {
        failures_until_refused(&sign_ins, name, source(1), now);
    }
    sign_ins.check_source(source(1), now).unwrap_err();
    assert!(sign_ins.begin(&email("dave"), source(1), now).is_err());
    assert!(sign_ins.begin(&email("alice"), source(1), now).unwrap().settle(true, now).unwrap());
}

#[test]
fn a_source_is_quiet_while_nothing_of_it_fails_or_waits() {
    let (sign_ins, now) = (SignIns::new(LIMITS), Instant::now());
    let rank = |name: &str| {
        let attempt = sign_ins.begin(&email(name), source(1), now).unwrap();
        (attempt.turn().rank, attempt)
    };
    let (first, attempt) = rank("alice");
    assert_eq!((first, rank("alice").0), (HashRank::Quiet, HashRank::Suspect));
    drop(attempt);
    let (again, attempt) = rank("bob");
    assert_eq!(again, HashRank::Quiet);
    attempt.settle(false, now).unwrap();
    assert_eq!(rank("bob").0, HashRank::Suspect);
    let other = sign_ins.begin(&email("bob"), source(2), now).unwrap();
    assert_eq!(other.turn().rank, HashRank::Quiet);
}
