use chrono::DateTime;

use super::*;
use crate::domain::{Cursor, DocumentId, Position, examples::presence_in};

fn presence() -> Presence {
    presence_in(DocumentId::new())
}

fn at(number: u64) -> Sequence {
    Sequence { epoch: 1, number }
}

fn snapshot(sequence: Sequence, elsewhere: &[&Presence]) -> RosterSnapshot {
    RosterSnapshot { sequence, elsewhere: elsewhere.iter().copied().cloned().collect() }
}

/// Returns the sessions that joined and the sessions that left.
fn changed_sessions(changes: &[PresenceChange]) -> (Vec<SessionId>, Vec<SessionId>) {
    let of = |kind| {
        let changes = changes.iter().filter(move |change| change.kind == kind);
        changes.map(|change| change.presence.session).collect()
    };
    (of(PresenceChangeKind::Joined), of(PresenceChangeKind::Left))
}

/// Begins a read of the roster and applies `snapshot` as its result.
fn read(
    remote: &mut RemotePresence,
    snapshot: RosterSnapshot,
) -> (Vec<PresenceChange>, RosterFollowUp) {
    remote.begin_read();
    remote.reconcile(snapshot, RosterRead::Usual)
}

#[test]
fn changes_after_the_snapshot_are_broadcast_once_and_immediately() {
    let (ana, bo, mut remote) = (presence(), presence(), RemotePresence::default());
    let (changes, next) = read(&mut remote, snapshot(at(4), &[&ana]));
    assert_eq!(
        (changed_sessions(&changes), next),
        ((vec![ana.session], vec![]), RosterFollowUp::Nothing)
    );

    assert_eq!(remote.join(ana.clone(), at(3)), PresenceOutcome::Unchanged, "the snapshot has it");
    assert_eq!(remote.join(bo.clone(), at(5)), PresenceOutcome::Changed(joined(bo.clone())));
    assert_eq!(remote.count_own(at(6)), PresenceOutcome::Unchanged);
    assert_eq!(remote.leave(bo.session, at(7)), PresenceOutcome::Changed(left(bo.clone())));
    assert_eq!(remote.leave(bo.session, at(7)), PresenceOutcome::Unchanged, "a repeated departure");
    assert_eq!(
        remote.leave(bo.session, at(8)),
        PresenceOutcome::Unchanged,
        "the departure of an unknown session"
    );
    assert!(remote.has(ana.session) && !remote.has(bo.session));
}

#[test]
fn a_lost_departure_is_found_by_reading_the_roster() {
    let (ana, bo, cy, mut remote) = (presence(), presence(), presence(), RemotePresence::default());
    read(&mut remote, snapshot(at(2), &[&ana, &bo]));
    // The departure of Bo, number 3, was lost.
    assert_eq!(remote.join(cy.clone(), at(4)), PresenceOutcome::Gap);
    let (changes, next) = read(&mut remote, snapshot(at(4), &[&ana, &cy]));
    assert_eq!(
        (changed_sessions(&changes), next),
        ((vec![cy.session], vec![bo.session]), RosterFollowUp::Nothing)
    );
    assert_eq!(remote.leave(cy.session, at(5)), PresenceOutcome::Changed(left(cy)));
}

#[test]
fn an_arrival_during_a_read_of_the_roster_is_not_lost() {
    let (ana, bo, mut remote) = (presence(), presence(), RemotePresence::default());
    remote.begin_read();
    assert_eq!(remote.join(bo.clone(), at(3)), PresenceOutcome::Gap);
    // The snapshot was taken before Bo arrived.
    let (changes, next) = remote.reconcile(snapshot(at(2), &[&ana]), RosterRead::Usual);
    assert_eq!(
        (changed_sessions(&changes), next),
        ((vec![ana.session], vec![]), RosterFollowUp::Read)
    );
    remote.begin_read();
    // A snapshot that is older than the applied changes has no effect.
    assert_eq!(remote.join(bo.clone(), at(3)), PresenceOutcome::Changed(joined(bo.clone())));
    let late = remote.reconcile(snapshot(at(2), &[&ana]), RosterRead::Usual);
    assert_eq!(late, (vec![], RosterFollowUp::Nothing));
    assert!(remote.has(bo.session));
}

#[test]
fn no_departure_is_broadcast_after_a_roster_restart_until_nodes_could_enter_their_sessions() {
    let (ana, bo, cy, mut remote) = (presence(), presence(), presence(), RemotePresence::default());
    read(&mut remote, snapshot(at(9), &[&ana, &bo, &cy]));
    let in_new_epoch = |number| Sequence { epoch: 2, number };
    assert_eq!(remote.join(bo.clone(), in_new_epoch(1)), PresenceOutcome::Gap);
    let (changes, next) = read(&mut remote, snapshot(in_new_epoch(1), &[&bo]));
    assert_eq!((changes, next), (vec![], RosterFollowUp::Settle));
    // Usual reads do not end the doubt.
    assert_eq!(remote.count_own(in_new_epoch(5)), PresenceOutcome::Gap);
    assert_eq!(
        read(&mut remote, snapshot(in_new_epoch(5), &[&bo])),
        (vec![], RosterFollowUp::Nothing)
    );

    assert_eq!(
        remote.join(ana.clone(), in_new_epoch(6)),
        PresenceOutcome::Unchanged,
        "the session never left"
    );
    remote.begin_read();
    let (changes, next) =
        remote.reconcile(snapshot(in_new_epoch(6), &[&ana, &bo]), RosterRead::Settling);
    assert_eq!(
        (changed_sessions(&changes), next),
        ((vec![], vec![cy.session]), RosterFollowUp::Nothing)
    );
    // The doubt is settled: usual reads find departures again.
    let (changes, _) = read(&mut remote, snapshot(in_new_epoch(7), &[&ana]));
    assert_eq!(changed_sessions(&changes), (vec![], vec![bo.session]));
}

#[test]
fn a_roster_with_an_earlier_number_is_in_doubt() {
    let (ana, bo, mut remote) = (presence(), presence(), RemotePresence::default());
    read(&mut remote, snapshot(at(9), &[&ana, &bo]));
    // A replica without the entry of Bo took over.
    assert!(remote.differs(at(7)));
    assert_eq!(read(&mut remote, snapshot(at(7), &[&ana])), (vec![], RosterFollowUp::Settle));
    assert_eq!(
        remote.join(bo.clone(), at(8)),
        PresenceOutcome::Unchanged,
        "the session never left"
    );
    remote.begin_read();
    let settled = remote.reconcile(snapshot(at(8), &[&ana, &bo]), RosterRead::Settling);
    assert_eq!(settled, (vec![], RosterFollowUp::Nothing));
}

#[test]
fn a_read_that_is_older_than_an_arrival_does_not_end_the_settling_of_a_doubt() {
    let (ana, bo, mut remote) = (presence(), presence(), RemotePresence::default());
    read(&mut remote, snapshot(at(9), &[&ana]));
    assert_eq!(read(&mut remote, snapshot(at(7), &[])), (vec![], RosterFollowUp::Settle));
    // Bo arrives while the roster is read.
    remote.begin_read();
    remote.join(bo.clone(), at(8));
    let older = remote.reconcile(snapshot(at(7), &[]), RosterRead::Settling);
    assert_eq!(older, (vec![], RosterFollowUp::Settle));

    remote.begin_read();
    let (changes, _) = remote.reconcile(snapshot(at(8), &[&bo]), RosterRead::Settling);
    assert_eq!(changed_sessions(&changes), (vec![], vec![ana.session]));
}

#[test]
fn a_cursor_is_broadcast_if_its_session_is_present_and_otherwise_waits_for_the_arrival() {
    let (ana, mut remote) = (presence(), RemotePresence::default());
    let moved = |column| {
        Arc::new(CursorMove {
            document: ana.document,
            session: ana.session,
            user: ana.user.clone(),
            color: ana.color,
            cursor: Cursor { head: Position::new(0, column).unwrap(), anchor: None },
            at: DateTime::UNIX_EPOCH,
        })
    };
    read(&mut remote, snapshot(at(1), &[]));
    assert!(!remote.move_cursor(&moved(1)) && !remote.move_cursor(&moved(2)));
    assert_eq!(remote.join(ana.clone(), at(2)), PresenceOutcome::Changed(joined(ana.clone())));
    assert_eq!(
        remote.take_early_cursor(ana.session),
        Some(moved(2)),
        "the newest cursor replaces older ones"
    );
    assert_eq!(remote.take_early_cursor(ana.session), None);
    assert!(remote.move_cursor(&moved(3)));
    assert!(!remote.move_cursor(&moved(3)), "its node has published it again");
    read(&mut remote, snapshot(at(2), &[&ana]));
    assert!(!remote.move_cursor(&moved(3)), "the roster does not say what was broadcast");

    remote.leave(ana.session, at(3));
    assert!(!remote.move_cursor(&moved(4)), "a cursor of a session that has left is not broadcast");
    // Sessions that never arrive do not accumulate cursors.
    for _ in 0..10 * MAX_EARLY_CURSORS {
        let early = CursorMove { session: SessionId::new(), ..(*moved(5)).clone() };
        remote.move_cursor(&Arc::new(early));
    }
    assert!(remote.early.len() <= MAX_EARLY_CURSORS);
}
