use chrono::DateTime;

use super::*;
use crate::domain::{Color, DocumentId, User, UserId};

fn presence() -> Presence {
    let (document, user) = (DocumentId::new(), User { id: UserId::new(), name: "Ana".into() });
    Presence {
        document,
        session: SessionId::new(),
        color: Color::of(document, user.id),
        user,
        cursor: None,
        joined_at: DateTime::UNIX_EPOCH,
        last_seen: DateTime::UNIX_EPOCH,
    }
}

fn at(number: u64) -> Sequence {
    Sequence { epoch: 1, number }
}

fn standing(sequence: Sequence, elsewhere: &[&Presence]) -> Standing {
    Standing { sequence, elsewhere: elsewhere.iter().copied().cloned().collect() }
}

/// What is told, as the sessions that joined and those that left.
fn told(changes: &[PresenceChange]) -> (Vec<SessionId>, Vec<SessionId>) {
    let of = |kind| {
        let changes = changes.iter().filter(move |change| change.kind == kind);
        changes.map(|change| change.presence.session).collect()
    };
    (of(PresenceChangeKind::Joined), of(PresenceChangeKind::Left))
}

#[test]
fn what_follows_what_was_read_is_told_as_it_comes_and_once() {
    let (ana, bo, mut others) = (presence(), presence(), Others::default());
    let (changes, again) = others.reconcile(standing(at(4), &[&ana]));
    assert_eq!((told(&changes), again), ((vec![ana.session], vec![]), false));

    assert_eq!(others.joined(ana.clone(), at(3)), Heard::Nothing, "it was read");
    assert_eq!(others.joined(bo.clone(), at(5)), Heard::Tell(joined(bo.clone())));
    assert_eq!(others.counted(at(6)), Heard::Nothing);
    assert_eq!(others.left(bo.session, at(7)), Heard::Tell(left(bo.clone())));
    assert_eq!(others.left(bo.session, at(7)), Heard::Nothing, "the same once more");
    assert_eq!(others.left(bo.session, at(8)), Heard::Nothing, "nobody knew of him");
    assert!(others.has(ana.session) && !others.has(bo.session));
}

#[test]
fn what_was_lost_is_noticed_and_told_from_how_things_stand() {
    let (ana, bo, cy, mut others) = (presence(), presence(), presence(), Others::default());
    others.reconcile(standing(at(2), &[&ana, &bo]));
    // Bo's departure (3) was lost.
    assert_eq!(others.joined(cy.clone(), at(4)), Heard::Gap);
    let (changes, again) = others.reconcile(standing(at(4), &[&ana, &cy]));
    assert_eq!((told(&changes), again), ((vec![cy.session], vec![bo.session]), false));
    assert_eq!(others.left(cy.session, at(5)), Heard::Tell(left(cy)));
}

#[test]
fn what_comes_while_the_roster_is_read_is_not_forgotten() {
    let (ana, bo, mut others) = (presence(), presence(), Others::default());
    assert_eq!(others.joined(bo.clone(), at(3)), Heard::Gap);
    // The answer was on its way before Bo came.
    let (changes, again) = others.reconcile(standing(at(2), &[&ana]));
    assert_eq!((told(&changes), again), ((vec![ana.session], vec![]), true));
    let (changes, again) = others.reconcile(standing(at(3), &[&ana, &bo]));
    assert_eq!((told(&changes), again), ((vec![bo.session], vec![]), false));
    // And an answer that was overtaken changes nothing.
    assert_eq!(others.reconcile(standing(at(1), &[])), (vec![], false));
    assert!(others.has(bo.session));
}

#[test]
fn after_the_roster_forgot_nobody_is_said_to_have_left_before_he_could_come_back() {
    let (ana, bo, mut others) = (presence(), presence(), Others::default());
    others.reconcile(standing(at(9), &[&ana, &bo]));
    let anew = |number| Sequence { epoch: 2, number };
    assert_eq!(others.joined(bo.clone(), anew(1)), Heard::Gap);
    let (changes, again) = others.reconcile(standing(anew(1), &[&bo]));
    assert_eq!((changes, again), (vec![], true), "Ana may be on her way");

    assert_eq!(others.joined(ana.clone(), anew(2)), Heard::Nothing, "she never left");
    assert_eq!(others.reconcile(standing(anew(2), &[&ana, &bo])), (vec![], false));
}

#[test]
fn who_does_not_come_back_after_the_roster_forgot_has_left() {
    let (ana, mut others) = (presence(), Others::default());
    others.reconcile(standing(at(9), &[&ana]));
    let anew = Sequence { epoch: 2, number: 1 };
    assert_eq!(others.reconcile(standing(anew, &[])), (vec![], true));
    let (changes, again) = others.reconcile(standing(anew, &[]));
    assert_eq!((told(&changes), again), ((vec![], vec![ana.session]), false));
}
