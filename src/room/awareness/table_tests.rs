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

fn changed(outcome: AwarenessOutcome) -> Vec<(u32, u32, Option<Arc<str>>)> {
    let AwarenessOutcome::Changed(change) = outcome else { panic!("{outcome:?} is not a change") };
    change.entries
}

#[test]
fn clocks_grow_with_time_and_with_each_update() {
    let mut awareness = AwarenessTable::default();
    let ana = someone();
    assert_eq!(
        changed(awareness.update_local(ana, 7, state("a"), time(100))),
        [(7, 1000, state("a"))]
    );
    assert_eq!(
        changed(awareness.update_local(ana, 7, state("b"), time(100))),
        [(7, 1001, state("b"))]
    );
    assert_eq!(awareness.update_local(ana, 7, state("b"), time(101)), AwarenessOutcome::Unchanged);
    assert_eq!(awareness.renew(time(200))[0].entries, [(7, 2000, state("b"))]);
    assert_eq!(awareness.remove(ana.0, time(200)).unwrap().entries, [(7, 2001, None)]);
    assert_eq!(awareness.remove(ana.0, time(200)), None);
}

#[test]
fn a_node_that_is_behind_adopts_the_time_of_another() {
    let clocks = Clocks::default();
    let mut awareness = AwarenessTable::new(clocks.clone());
    let (ana, bo) = (someone(), someone());
    changed(awareness.update_local(ana, 7, state("a"), time(100)));
    // Another node is a minute ahead. Its editors have seen Ana with its clocks.
    clocks.note_remote_clock(1600, time(100));
    assert_eq!(awareness.renew(time(101))[0].entries, [(7, 1610, state("a"))]);
    let derived = awareness.update_derived(bo, "b".into(), time(102)).unwrap();
    assert_eq!(derived.entries[0].1, 1620);
    // A time that is behind changes nothing, and one that is wrong by hours is not adopted.
    clocks.note_remote_time(time(0), time(103));
    clocks.note_remote_time(time(100_000), time(103));
    assert_eq!(awareness.renew(time(103))[0].entries, [(7, 1630, state("a"))]);
}

#[test]
fn a_client_id_in_use_is_rejected_for_other_users() {
    let mut awareness = AwarenessTable::default();
    let (ana, bo) = (someone(), someone());
    changed(awareness.update_local(ana, 7, state("ana"), time(0)));
    assert_eq!(awareness.update_local(bo, 7, state("bo"), time(0)), AwarenessOutcome::Rejected);
    changed(awareness.update_local(bo, 8, state("bo"), time(0)));
    // Clients pass on what they receive, also right after a session has left.
    assert_eq!(awareness.update_local(bo, 7, state("ana"), time(0)), AwarenessOutcome::Rejected);
    awareness.remove(ana.0, time(1)).unwrap();
    assert_eq!(awareness.update_local(bo, 7, state("ana"), time(1)), AwarenessOutcome::Rejected);
    assert_eq!(awareness.update_local(bo, 7, None, time(1)), AwarenessOutcome::Rejected);
}

#[test]
fn a_reconnecting_editor_keeps_its_client_id() {
    let mut awareness = AwarenessTable::default();
    let ana = someone();
    let again = (SessionId::new(), ana.1);
    changed(awareness.update_local(ana, 7, state("a"), time(0)));
    // Before its old connection is known to be dead …
    let outcome = awareness.update_local(again, 7, state("a"), time(0));
    assert!(
        matches!(&outcome, AwarenessOutcome::Changed(change) if change.taken_from == Some(ana.0))
    );
    let entries = changed(outcome);
    assert_eq!(entries.len(), 1, "its removal is not broadcast");
    assert!(entries[0].1 > 1);
    assert_eq!(awareness.remove(ana.0, time(1)), None, "the old connection has no entry any more");
    // … and after.
    awareness.remove(again.0, time(2)).unwrap();
    let third = (SessionId::new(), ana.1);
    let clock = changed(awareness.update_local(third, 7, state("a"), time(2)))[0].1;
    assert!(clock > 20, "{clock}");
}

#[test]
fn clocks_never_go_back_when_the_table_is_cleared() {
    let clocks = Clocks::default();
    let mut awareness = AwarenessTable::new(clocks.clone());
    let ana = someone();
    let mut last = 0;
    for n in 0..100 {
        let entries = changed(awareness.update_local(ana, 7, state(&n.to_string()), time(1)));
        assert!(entries[0].1 > last);
        last = entries[0].1;
    }
    // The last editor leaves and the table is cleared; then the room closes.
    awareness.clear();
    let again = (SessionId::new(), ana.1);
    let entries = changed(awareness.update_local(again, 7, state("back"), time(2)));
    assert!(entries[0].1 > last);
    last = awareness.remove(again.0, time(2)).unwrap().entries[0].1;
    let mut other = AwarenessTable::new(clocks);
    assert!(changed(other.update_local(ana, 7, state("back"), time(2)))[0].1 > last);
}

#[test]
fn an_old_connection_cannot_update_a_newer_one() {
    let mut awareness = AwarenessTable::default();
    let old = someone();
    changed(awareness.update_local(old, 7, state("a"), time(0)));
    let new = (SessionId::new(), old.1);
    changed(awareness.update_local(new, 7, state("b"), time(0)));
    assert_eq!(awareness.update_local(old, 7, state("a"), time(0)), AwarenessOutcome::Rejected);
    // Nor can another node that repeats the old entry.
    let repeated =
        AwarenessUpdate { session: old.0, user: old.1, client: 7, clock: 900, state: state("a") };
    assert_eq!(
        awareness.update_remote(&Arc::new(repeated), true, time(0)),
        AwarenessOutcome::Rejected
    );
    assert_eq!(awareness.remove(old.0, time(1)), None);
    assert!(awareness.belongs_to(7, new.0));
}

#[test]
fn an_editor_may_change_its_client_id() {
    let mut awareness = AwarenessTable::default();
    let ana = someone();
    changed(awareness.update_local(ana, 7, state("a"), time(0)));
    let entries = changed(awareness.update_local(ana, 9, state("a"), time(0)));
    assert_eq!(
        entries.iter().map(|entry| (entry.0, entry.2.is_some())).collect::<Vec<_>>(),
        [(7, false), (9, true)]
    );
    assert_eq!(awareness.renew(time(1)).len(), 1);
}

#[test]
fn a_session_without_an_editor_has_a_derived_state() {
    let mut awareness = AwarenessTable::default();
    let ana = someone();
    let derived = awareness.update_derived(ana, "present".into(), time(0)).unwrap().entries;
    assert_eq!(awareness.update_derived(ana, "present".into(), time(0)), None);
    assert_eq!(
        awareness.update_derived(ana, "moved".into(), time(0)).unwrap().entries[0].0,
        derived[0].0
    );
    let entries = changed(awareness.update_local(ana, 7, state("own"), time(0)));
    assert_eq!((entries[0].0, entries[0].2.clone(), entries[1].0), (derived[0].0, None, 7));
    assert_eq!(awareness.update_derived(ana, "present".into(), time(0)), None);
    assert!(awareness.has_own_entry(ana.0));
    changed(awareness.update_local(ana, 7, None, time(0)));
    assert!(awareness.renew(time(0)).is_empty(), "its editor removed the state");
    assert_eq!(awareness.remove(ana.0, time(0)), None, "nothing has to be removed");
}

#[test]
fn an_update_from_another_node_waits_for_the_arrival() {
    let mut awareness = AwarenessTable::default();
    let (session, user) = someone();
    let update =
        Arc::new(AwarenessUpdate { session, user, client: 7, clock: 90, state: state("far") });
    assert_eq!(awareness.update_remote(&update, false, time(0)), AwarenessOutcome::Unchanged);
    let change = awareness.update_derived((session, user), "present".into(), time(0)).unwrap();
    assert_eq!(change.entries, [(7, 90, state("far"))]);
    assert_eq!(awareness.update_remote(&update, true, time(0)), AwarenessOutcome::Unchanged);
    assert_eq!(awareness.local_update(session), Some((*update).clone()));
    let later = time(0) + TimeDelta::seconds(1);
    assert_eq!(awareness.remove(session, later).unwrap().entries, [(7, 91, None)]);
}

#[test]
fn another_node_cannot_take_a_client_id_in_use() {
    let mut awareness = AwarenessTable::default();
    let ana = someone();
    changed(awareness.update_local(ana, 7, state("ana"), time(0)));
    let (session, user) = someone();
    let update =
        Arc::new(AwarenessUpdate { session, user, client: 7, clock: 90, state: state("far") });
    assert_eq!(awareness.update_remote(&update, true, time(0)), AwarenessOutcome::Rejected);
    let again = Arc::new(AwarenessUpdate { user: ana.1, ..(*update).clone() });
    changed(awareness.update_remote(&again, true, time(0)));
}

#[test]
fn the_table_is_bounded() {
    let mut awareness = AwarenessTable::default();
    for client in 0..u32::try_from(3 * MAX_DEPARTED).unwrap() {
        let (session, user) = someone();
        changed(awareness.update_local((session, user), client, state("a"), time(0)));
        awareness.remove(session, time(0)).unwrap();
        let update = AwarenessUpdate { session, user, client, clock: 1, state: None };
        awareness.update_remote(&Arc::new(update), false, time(0));
    }
    assert!(awareness.departed.len() <= MAX_DEPARTED && awareness.early.len() <= MAX_EARLY_UPDATES);
    assert!(awareness.clients.is_empty() && awareness.entries.is_empty());
}
