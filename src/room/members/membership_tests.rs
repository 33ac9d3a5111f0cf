use std::{collections::HashMap, sync::Arc};

use chrono::Utc;
use proptest::prelude::*;

use super::{
    membership::{Effect, Membership},
    seat::{Seat, SeatEnd, Subscriber},
};
use crate::{
    domain::{
        AccessLevel, Cursor, DocumentId, Event, Origin, Position, Presence, PresenceChangeKind,
        SessionId, Topic, User, UserId,
    },
    outbox::{Outbox, OutboxOptions, SeatId},
    room::RoomError,
};

fn user(name: &str) -> User {
    User { id: UserId::new(), name: name.into() }
}

fn cursor(line: i32) -> Cursor {
    Cursor { head: Position::new(line, 0).unwrap(), anchor: None }
}

fn seat_of(session: SessionId, user: &User) -> Arc<Seat> {
    let (outbox, _body) =
        Outbox::new(SessionId::new(), OutboxOptions { bound: 1_000 }, Arc::default());
    let subscriber = Subscriber { session, user: user.clone(), outbox, name: None };
    Arc::new(Seat::new(DocumentId::new(), Topic::Changes, subscriber))
}

/// Reserves a seat.
fn reserve(room: &mut Membership, session: SessionId, user: &User) -> SeatId {
    let seat = seat_of(session, user);
    let id = seat.id();
    room.reserve(seat);
    id
}

/// Reserves and confirms a seat. Returns it with the effects of the confirmation.
fn admit(room: &mut Membership, session: SessionId, user: &User) -> (SeatId, Vec<Effect>) {
    let seat = reserve(room, session, user);
    let effects = room.confirm(seat, Utc::now()).unwrap();
    (seat, effects)
}

fn presence_changes(effects: &[Effect]) -> Vec<(PresenceChangeKind, SessionId)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Broadcast { event: Event::PresenceChanged(change), .. } => {
                Some((change.kind, change.presence.session))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn the_first_seat_of_a_session_makes_it_a_member_and_the_last_ends_its_membership() {
    let mut room = Membership::new(DocumentId::new());
    let (alice, session) = (user("Alice"), SessionId::new());

    let (first, effects) = admit(&mut room, session, &alice);
    assert_eq!(presence_changes(&effects), [(PresenceChangeKind::Joined, session)]);
    let (second, effects) = admit(&mut room, session, &alice);
    assert_eq!(effects, []);

    assert_eq!(room.leave(first), []);
    let effects = room.leave(second);
    assert_eq!(effects[0], Effect::Exit(session));
    assert_eq!(presence_changes(&effects), [(PresenceChangeKind::Left, session)]);
    assert!(room.is_empty());
}

#[test]
fn a_level_that_changes_while_it_is_read_wins() {
    let mut room = Membership::new(DocumentId::new());
    let bob = user("Bob");
    let (early, late) = (seat_of(SessionId::new(), &bob), seat_of(SessionId::new(), &bob));
    room.reserve(Arc::clone(&early));
    early.note_level(AccessLevel::Owner, 5);
    room.reserve(Arc::clone(&late));
    assert_eq!((early.level(), late.level()), (Some(AccessLevel::Owner), None));

    room.change_level(UserId::new(), AccessLevel::Edit, None);
    room.change_level(bob.id, AccessLevel::View, Some(6));
    late.note_level(AccessLevel::Edit, 5);
    assert_eq!((early.level(), late.level()), (Some(AccessLevel::View), Some(AccessLevel::View)));
}

#[test]
fn a_seat_voided_by_a_revocation_cannot_be_confirmed() {
    let mut room = Membership::new(DocumentId::new());
    let bob = user("Bob");
    let seat = reserve(&mut room, SessionId::new(), &bob);

    assert_eq!(room.revoke(bob.id, None), [Effect::Evict { seat, reason: SeatEnd::Revoked }]);

    assert_eq!(room.confirm(seat, Utc::now()), Err(RoomError::SeatVoided));
    assert!(room.is_empty());
}

#[test]
fn a_change_of_access_that_comes_late_does_not_concern_newer_seats() {
    let mut room = Membership::new(DocumentId::new());
    let bob = user("Bob");
    let seat = seat_of(SessionId::new(), &bob);
    room.reserve(Arc::clone(&seat));
    // Access was revoked at 6 and granted again at 7.
    seat.note_level(AccessLevel::Edit, 7);

    assert_eq!(room.revoke(bob.id, Some(6)), []);
    room.change_level(bob.id, AccessLevel::View, Some(5));
    assert_eq!(seat.level(), Some(AccessLevel::Edit));

    room.change_level(bob.id, AccessLevel::View, Some(8));
    assert_eq!(seat.level(), Some(AccessLevel::View));
    assert_eq!(room.revoke(bob.id, Some(8)), []);
    assert_eq!(room.revoke(bob.id, Some(9)).len(), 1);
}

#[test]
fn a_revocation_evicts_one_user_only() {
    let mut room = Membership::new(DocumentId::new());
    let (alice, bob) = (user("Alice"), user("Bob"));
    let (at_alices, at_bobs, other_tab) = (SessionId::new(), SessionId::new(), SessionId::new());
    admit(&mut room, at_alices, &alice);
    let (first, _) = admit(&mut room, at_bobs, &bob);
    let (second, _) = admit(&mut room, other_tab, &bob);

    let effects = room.revoke(bob.id, None);

    assert_eq!(
        effects[..2],
        [first, second].map(|seat| Effect::Evict { seat, reason: SeatEnd::Revoked })
    );
    let left = PresenceChangeKind::Left;
    assert_eq!(presence_changes(&effects), [(left, at_bobs), (left, other_tab)]);
    assert_eq!(room.sessions().collect::<Vec<_>>(), [at_alices]);
}

#[test]
fn a_cursor_move_has_its_session_as_origin_and_is_kept_in_the_presence() {
    let mut room = Membership::new(DocumentId::new());
    let (alice, session) = (user("Alice"), SessionId::new());
    assert_eq!(room.move_cursor(session, cursor(1), Utc::now()), [], "the session is not a member");
    let (seat, _) = admit(&mut room, session, &alice);

    let effects = room.move_cursor(session, cursor(7), Utc::now());

    let [Effect::Broadcast { origin, event: Event::CursorMoved(moved) }, Effect::Touch { .. }] =
        effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(*origin, Origin { user: alice.id, session: Some(session) });
    assert_eq!((moved.cursor, moved.session), (cursor(7), session));
    let left = room.leave(seat);
    let Some(Effect::Broadcast { event: Event::PresenceChanged(change), .. }) = left.last() else {
        panic!("{left:?}")
    };
    assert_eq!(change.presence.cursor, Some(cursor(7)));
}

/// What may happen to a room, in any order.
#[derive(Debug, Clone)]
enum Step {
    Reserve { session: usize },
    Confirm { seat: usize },
    Leave { seat: usize },
    Move { session: usize, line: i32 },
    Revoke { user: usize },
    Delete,
}

const USERS: usize = 3;
const SESSIONS: usize = 6;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..SESSIONS).prop_map(|session| Step::Reserve { session }),
        4 => (0..40_usize).prop_map(|seat| Step::Confirm { seat }),
        4 => (0..40_usize).prop_map(|seat| Step::Leave { seat }),
        2 => (0..SESSIONS, 0..100).prop_map(|(session, line)| Step::Move { session, line }),
        1 => (0..USERS).prop_map(|user| Step::Revoke { user }),
        1 => Just(Step::Delete),
    ]
}

/// The roster and the presence that another node and a client derive from the effects.
#[derive(Default)]
struct Observer {
    roster: HashMap<SessionId, Presence>,
    presence: HashMap<SessionId, PresenceChangeKind>,
}

impl Observer {
    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Enter(presence) => {
                    assert!(self.roster.insert(presence.session, presence).is_none());
                }
                Effect::Exit(session) => assert!(self.roster.remove(&session).is_some()),
                Effect::Touch { session, cursor, .. } => {
                    self.roster.get_mut(&session).unwrap().cursor = cursor;
                }
                Effect::Broadcast { event: Event::PresenceChanged(change), origin } => {
                    assert_eq!(origin.session, Some(change.presence.session));
                    let before = self.presence.insert(change.presence.session, change.kind);
                    let expected = match before {
                        Some(PresenceChangeKind::Joined) => PresenceChangeKind::Left,
                        Some(PresenceChangeKind::Left) | None => PresenceChangeKind::Joined,
                    };
                    assert_eq!(change.kind, expected, "JOINED and LEFT alternate");
                }
                Effect::Broadcast { event: Event::CursorMoved(moved), .. } => {
                    assert!(self.roster.contains_key(&moved.session), "only members move");
                }
                Effect::Broadcast { event: Event::Changed(_) | Event::LevelRead(_), .. }
                | Effect::Evict { .. } => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn presence_holds_under_any_order_of_events(steps in prop::collection::vec(step(), 0..120)) {
        let users: Vec<_> = (0..USERS).map(|n| user(&n.to_string())).collect();
        let sessions: Vec<_> =
            (0..SESSIONS).map(|n| (SessionId::new(), users[n % USERS].clone())).collect();
        let mut room = Membership::new(DocumentId::new());
        let mut observer = Observer::default();
        // The model: every seat with its session and whether it is confirmed.
        let mut seats: Vec<(SeatId, usize, bool)> = Vec::new();

        for step in steps {
            match step {
                Step::Reserve { session } => {
                    let seat = reserve(&mut room, sessions[session].0, &sessions[session].1);
                    seats.push((seat, session, false));
                }
                Step::Confirm { seat } => {
                    if let Some((seat, _, confirmed)) = seats.get_mut(seat) {
                        observer.apply(room.confirm(*seat, Utc::now()).unwrap());
                        *confirmed = true;
                    }
                }
                Step::Leave { seat } if seat < seats.len() => {
                    let (seat, ..) = seats.swap_remove(seat);
                    observer.apply(room.leave(seat));
                    prop_assert_eq!(room.leave(seat), []);
                    prop_assert_eq!(
                        room.confirm(seat, Utc::now()),
                        Err(RoomError::SeatVoided)
                    );
                }
                Step::Leave { .. } => {}
                Step::Move { session, line } => {
                    observer.apply(room.move_cursor(sessions[session].0, cursor(line), Utc::now()));
                }
                Step::Revoke { user } => {
                    observer.apply(room.revoke(users[user].id, None));
                    seats.retain(|(_, session, _)| session % USERS != user);
                }
                Step::Delete => {
                    observer.apply(room.delete());
                    seats.clear();
                }
            }
            let mut expected: Vec<_> = seats
                .iter()
                .filter(|(.., confirmed)| *confirmed)
                .map(|(_, session, _)| sessions[*session].0)
                .collect();
            expected.sort();
            expected.dedup();
            let sorted = |mut all: Vec<SessionId>| { all.sort(); all };
            prop_assert_eq!(sorted(room.sessions().collect()), expected.clone());
            prop_assert_eq!(sorted(observer.roster.keys().copied().collect()), expected.clone());
            let present = observer.presence.iter().filter(|(_, kind)| **kind == PresenceChangeKind::Joined);
            prop_assert_eq!(sorted(present.map(|(session, _)| *session).collect()), expected);
            prop_assert_eq!(room.is_empty(), seats.is_empty());
        }
    }
}
