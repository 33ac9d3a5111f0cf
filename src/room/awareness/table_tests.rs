use chrono::TimeDelta;

use super::*;
use crate::room::awareness::clocks::EPOCH_MS;

fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(EPOCH_MS + 1000 * seconds).unwrap()
}

fn someone() -> (SessionId, UserId) {
    (SessionId::new(), UserId::new())
}

fn state(text: &str) -> Option<Arc<str>> {
    Some(text.into())
}

fn news(heard: AwarenessOutcome) -> Vec<(u32, u32, Option<Arc<str>>)> {
    let AwarenessOutcome::News(word) = heard else { panic!("{heard:?} is no news") };
    word.entries
}

#[test]
fn clocks_grow_with_the_time_and_with_each_word() {
    let mut awareness = Awareness::default();
    let ana = someone();
    assert_eq!(news(awareness.say(ana, 7, state("a"), time(100))), [(7, 1000, state("a"))]);
    assert_eq!(news(awareness.say(ana, 7, state("b"), time(100))), [(7, 1001, state("b"))]);
    assert_eq!(awareness.say(ana, 7, state("b"), time(101)), AwarenessOutcome::Known);
    assert_eq!(awareness.renewed(time(200))[0].entries, [(7, 2000, state("b"))]);
    assert_eq!(awareness.leave(ana.0, time(200)).unwrap().entries, [(7, 2001, None)]);
    assert_eq!(awareness.leave(ana.0, time(200)), None);
}

#[test]
fn nobody_speaks_under_the_id_of_somebody_else() {
    let mut awareness = Awareness::default();
    let (ana, bo) = (someone(), someone());
    news(awareness.say(ana, 7, state("ana"), time(0)));
    assert_eq!(awareness.say(bo, 7, state("bo"), time(0)), AwarenessOutcome::Ignored);
    news(awareness.say(bo, 8, state("bo"), time(0)));
    // Clients pass on what they hear, also when somebody has just left.
    assert_eq!(awareness.say(bo, 7, state("ana"), time(0)), AwarenessOutcome::Ignored);
    awareness.leave(ana.0, time(1)).unwrap();
    assert_eq!(awareness.say(bo, 7, state("ana"), time(1)), AwarenessOutcome::Ignored);
    assert_eq!(awareness.say(bo, 7, None, time(1)), AwarenessOutcome::Ignored);
}

#[test]
fn an_editor_that_comes_back_takes_its_id_with_it() {
    let mut awareness = Awareness::default();
    let ana = someone();
    let again = (SessionId::new(), ana.1);
    news(awareness.say(ana, 7, state("a"), time(0)));
    // Before its old connection is known to be dead, ...
    let entries = news(awareness.say(again, 7, state("a"), time(0)));
    assert_eq!(entries.len(), 1, "nobody is told that it was gone");
    assert!(entries[0].1 > 1);
    assert_eq!(awareness.leave(ana.0, time(1)), None, "the old one has nothing left to give back");
    // ... and after.
    awareness.leave(again.0, time(2)).unwrap();
    let third = (SessionId::new(), ana.1);
    let clock = news(awareness.say(third, 7, state("a"), time(2)))[0].1;
    assert!(clock > 20, "{clock}");
}

#[test]
fn clocks_never_go_back_whatever_is_forgotten() {
    let clocks = Clocks::default();
    let mut awareness = Awareness::new(clocks.clone());
    let ana = someone();
    let mut last = 0;
    for n in 0..100 {
        let entries = news(awareness.say(ana, 7, state(&n.to_string()), time(1)));
        assert!(entries[0].1 > last);
        last = entries[0].1;
    }
    // The last editor goes, with everything that was known for editors; and so does the room.
    awareness.forget();
    let again = (SessionId::new(), ana.1);
    let entries = news(awareness.say(again, 7, state("back"), time(2)));
    assert!(entries[0].1 > last);
    last = awareness.leave(again.0, time(2)).unwrap().entries[0].1;
    let mut other = Awareness::new(clocks);
    assert!(news(other.say(ana, 7, state("back"), time(2)))[0].1 > last);
}

#[test]
fn an_old_connection_says_nothing_for_a_newer_one() {
    let mut awareness = Awareness::default();
    let old = someone();
    news(awareness.say(old, 7, state("a"), time(0)));
    let new = (SessionId::new(), old.1);
    news(awareness.say(new, 7, state("b"), time(0)));
    assert_eq!(awareness.say(old, 7, state("a"), time(0)), AwarenessOutcome::Ignored);
    // Nor on another node, which tells it again and again.
    let told =
        AwarenessUpdate { session: old.0, user: old.1, client: 7, clock: 900, state: state("a") };
    assert_eq!(awareness.hear(&Arc::new(told), true, time(0)), AwarenessOutcome::Ignored);
    assert_eq!(awareness.leave(old.0, time(1)), None);
    assert!(awareness.is_of(7, new.0));
}

#[test]
fn an_editor_may_take_another_id() {
    let mut awareness = Awareness::default();
    let ana = someone();
    news(awareness.say(ana, 7, state("a"), time(0)));
    let entries = news(awareness.say(ana, 9, state("a"), time(0)));
    assert_eq!(
        entries.iter().map(|entry| (entry.0, entry.2.is_some())).collect::<Vec<_>>(),
        [(7, false), (9, true)]
    );
    assert_eq!(awareness.renewed(time(1)).len(), 1);
}

#[test]
fn whoever_says_nothing_is_shown_until_an_editor_speaks_there() {
    let mut awareness = Awareness::default();
    let ana = someone();
    let shown = awareness.show(ana, "present".into(), time(0)).unwrap().entries;
    assert_eq!(awareness.show(ana, "present".into(), time(0)), None);
    assert_eq!(awareness.show(ana, "moved".into(), time(0)).unwrap().entries[0].0, shown[0].0);
    let entries = news(awareness.say(ana, 7, state("own"), time(0)));
    assert_eq!((entries[0].0, entries[0].2.clone(), entries[1].0), (shown[0].0, None, 7));
    assert_eq!(awareness.show(ana, "present".into(), time(0)), None);
    assert!(awareness.speaks(ana.0));
    news(awareness.say(ana, 7, None, time(0)));
    assert!(awareness.renewed(time(0)).is_empty(), "it does not want to be shown");
    assert_eq!(awareness.leave(ana.0, time(0)), None, "and need not be taken back");
}

#[test]
fn what_another_node_tells_waits_for_the_arrival() {
    let mut awareness = Awareness::default();
    let (session, user) = someone();
    let saying =
        Arc::new(AwarenessUpdate { session, user, client: 7, clock: 90, state: state("far") });
    assert_eq!(awareness.hear(&saying, false, time(0)), AwarenessOutcome::Known);
    let word = awareness.show((session, user), "present".into(), time(0)).unwrap();
    assert_eq!(word.entries, [(7, 90, state("far"))]);
    assert_eq!(awareness.hear(&saying, true, time(0)), AwarenessOutcome::Known);
    assert_eq!(awareness.saying_of(session), Some((*saying).clone()));
    let later = time(0) + TimeDelta::seconds(1);
    assert_eq!(awareness.leave(session, later).unwrap().entries, [(7, 91, None)]);
}

#[test]
fn another_node_gives_nobody_the_id_of_somebody_else() {
    let mut awareness = Awareness::default();
    let ana = someone();
    news(awareness.say(ana, 7, state("ana"), time(0)));
    let (session, user) = someone();
    let saying =
        Arc::new(AwarenessUpdate { session, user, client: 7, clock: 90, state: state("far") });
    assert_eq!(awareness.hear(&saying, true, time(0)), AwarenessOutcome::Ignored);
    let again = Arc::new(AwarenessUpdate { user: ana.1, ..(*saying).clone() });
    news(awareness.hear(&again, true, time(0)));
}

#[test]
fn only_so_many_are_remembered() {
    let mut awareness = Awareness::default();
    for client in 0..u32::try_from(3 * MAX_DEPARTED).unwrap() {
        let (session, user) = someone();
        news(awareness.say((session, user), client, state("a"), time(0)));
        awareness.leave(session, time(0)).unwrap();
        let saying = AwarenessUpdate { session, user, client, clock: 1, state: None };
        awareness.hear(&Arc::new(saying), false, time(0));
    }
    assert!(awareness.gone.len() <= MAX_DEPARTED && awareness.early.len() <= MAX_EARLY_UPDATES);
    assert!(awareness.clients.is_empty() && awareness.entries.is_empty());
}
