use chrono::DateTime;

use super::*;
use crate::domain::{Cursor, DocumentId, Position, examples::presence_in};

fn presence() -> Presence {
    presence_in(DocumentId::new())
}

fn at(number: u64) -> Sequence {
    Sequence { epoch: 1, number }
}

fn standing(sequence: Sequence, elsewhere: &[&Presence]) -> RosterSnapshot {
    RosterSnapshot { sequence, elsewhere: elsewhere.iter().copied().cloned().collect() }
}

/// What is told, as the sessions that joined and those that left.
fn told(changes: &[PresenceChange]) -> (Vec<SessionId>, Vec<SessionId>) {
    let of = |kind| {
        let changes = changes.iter().filter(move |change| change.kind == kind);
        changes.map(|change| change.presence.session).collect()
    };
    (of(PresenceChangeKind::Joined), of(PresenceChangeKind::Left))
}

/// The roster is asked, and answers at once.
fn read(
    others: &mut RemotePresence,
    standing: RosterSnapshot,
) -> (Vec<PresenceChange>, RosterFollowUp) {
    others.begin_read();
    others.reconcile(standing, RosterRead::Usual)
}

#[test]
fn what_follows_what_was_read_is_told_as_it_comes_and_once() {
    let (ana, bo, mut others) = (presence(), presence(), RemotePresence::default());
    let (changes, next) = read(&mut others, standing(at(4), &[&ana]));
    assert_eq!((told(&changes), next), ((vec![ana.session], vec![]), RosterFollowUp::Nothing));

    assert_eq!(others.join(ana.clone(), at(3)), PresenceOutcome::Unchanged, "it was read");
    assert_eq!(others.join(bo.clone(), at(5)), PresenceOutcome::Changed(joined(bo.clone())));
    assert_eq!(others.count_own(at(6)), PresenceOutcome::Unchanged);
    assert_eq!(others.leave(bo.session, at(7)), PresenceOutcome::Changed(left(bo.clone())));
    assert_eq!(others.leave(bo.session, at(7)), PresenceOutcome::Unchanged, "the same once more");
    assert_eq!(others.leave(bo.session, at(8)), PresenceOutcome::Unchanged, "nobody knew of him");
    assert!(others.has(ana.session) && !others.has(bo.session));
}

#[test]
fn what_was_lost_is_noticed_and_told_from_how_things_stand() {
    let (ana, bo, cy, mut others) = (presence(), presence(), presence(), RemotePresence::default());
    read(&mut others, standing(at(2), &[&ana, &bo]));
    // Bo's departure (3) was lost.
    assert_eq!(others.join(cy.clone(), at(4)), PresenceOutcome::Gap);
    let (changes, next) = read(&mut others, standing(at(4), &[&ana, &cy]));
    assert_eq!(
        (told(&changes), next),
        ((vec![cy.session], vec![bo.session]), RosterFollowUp::Nothing)
    );
    assert_eq!(others.leave(cy.session, at(5)), PresenceOutcome::Changed(left(cy)));
}

#[test]
fn what_comes_while_the_roster_is_read_is_not_forgotten() {
    let (ana, bo, mut others) = (presence(), presence(), RemotePresence::default());
    others.begin_read();
    assert_eq!(others.join(bo.clone(), at(3)), PresenceOutcome::Gap);
    // The answer was on its way before Bo came.
    let (changes, next) = others.reconcile(standing(at(2), &[&ana]), RosterRead::Usual);
    assert_eq!((told(&changes), next), ((vec![ana.session], vec![]), RosterFollowUp::Read));
    others.begin_read();
    // And an answer that was overtaken by what was told changes nothing.
    assert_eq!(others.join(bo.clone(), at(3)), PresenceOutcome::Changed(joined(bo.clone())));
    let late = others.reconcile(standing(at(2), &[&ana]), RosterRead::Usual);
    assert_eq!(late, (vec![], RosterFollowUp::Nothing));
    assert!(others.has(bo.session));
}

#[test]
fn after_the_roster_forgot_nobody_is_said_to_have_left_before_he_could_come_back() {
    let (ana, bo, cy, mut others) = (presence(), presence(), presence(), RemotePresence::default());
    read(&mut others, standing(at(9), &[&ana, &bo, &cy]));
    let anew = |number| Sequence { epoch: 2, number };
    assert_eq!(others.join(bo.clone(), anew(1)), PresenceOutcome::Gap);
    let (changes, next) = read(&mut others, standing(anew(1), &[&bo]));
    assert_eq!((changes, next), (vec![], RosterFollowUp::Settle));
    // However often it is read until then.
    assert_eq!(others.count_own(anew(5)), PresenceOutcome::Gap);
    assert_eq!(read(&mut others, standing(anew(5), &[&bo])), (vec![], RosterFollowUp::Nothing));

    assert_eq!(others.join(ana.clone(), anew(6)), PresenceOutcome::Unchanged, "she never left");
    others.begin_read();
    let (changes, next) = others.reconcile(standing(anew(6), &[&ana, &bo]), RosterRead::Settling);
    assert_eq!((told(&changes), next), ((vec![], vec![cy.session]), RosterFollowUp::Nothing));
    // From now on it is as before.
    let (changes, _) = read(&mut others, standing(anew(7), &[&ana]));
    assert_eq!(told(&changes), (vec![], vec![bo.session]));
}

#[test]
fn a_roster_that_counts_back_forgot_something() {
    let (ana, bo, mut others) = (presence(), presence(), RemotePresence::default());
    read(&mut others, standing(at(9), &[&ana, &bo]));
    // A replica took over that had not heard of Bo.
    assert!(others.differs(at(7)));
    assert_eq!(read(&mut others, standing(at(7), &[&ana])), (vec![], RosterFollowUp::Settle));
    assert_eq!(
        others.join(bo.clone(), at(8)),
        PresenceOutcome::Unchanged,
        "he was there all the time"
    );
    others.begin_read();
    let settled = others.reconcile(standing(at(8), &[&ana, &bo]), RosterRead::Settling);
    assert_eq!(settled, (vec![], RosterFollowUp::Nothing));
}

#[test]
fn a_cursor_is_told_of_those_who_are_there_and_waits_for_those_who_are_on_their_way() {
    let (ana, mut others) = (presence(), RemotePresence::default());
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
    read(&mut others, standing(at(1), &[]));
    assert!(!others.move_cursor(&moved(1)) && !others.move_cursor(&moved(2)));
    assert_eq!(others.join(ana.clone(), at(2)), PresenceOutcome::Changed(joined(ana.clone())));
    assert_eq!(others.take_early_cursor(ana.session), Some(moved(2)), "the newest");
    assert_eq!(others.take_early_cursor(ana.session), None);
    assert!(others.move_cursor(&moved(3)));

    others.leave(ana.session, at(3));
    assert!(!others.move_cursor(&moved(4)), "no ghost stays behind");
    // However many there are of those who never come.
    for _ in 0..10 * MAX_EARLY_CURSORS {
        let stranger = CursorMove { session: SessionId::new(), ..(*moved(5)).clone() };
        others.move_cursor(&Arc::new(stranger));
    }
    assert!(others.early.len() <= MAX_EARLY_CURSORS);
}
