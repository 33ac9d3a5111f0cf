use std::{collections::HashMap, sync::Arc};

use proptest::prelude::*;

use super::membership::{Effect, Membership};
use crate::{
    domain::{
        AccessLevel, Cursor, DocumentId, Event, Origin, Position, Presence, PresenceChangeKind,
        SessionId, Topic, User, UserId,
    },
    outbox::SeatId,
    room::{RoomError, Seat},
};
use chrono::Utc;

fn user(name: &str) -> User {
    User { id: UserId::new(), name: name.into() }
}

fn cursor(line: i32) -> Cursor {
    Cursor { head: Position::new(line, 0).unwrap(), anchor: None }
}

/// A seat that was reserved.
fn reserve(room: &mut Membership, session: SessionId, user: &User) -> SeatId {
    let seat = Seat::new(DocumentId::new(), Topic::Changes, session, user.clone());
    let id = seat.id;
    room.reserve(Arc::new(seat));
    id
}

/// A seat that was reserved and confirmed, and what followed.
fn sit(room: &mut Membership, session: SessionId, user: &User) -> (SeatId, Vec<Effect>) {
    let seat = reserve(room, session, user);
    let effects = room.confirm(seat, Utc::now()).unwrap();
    (seat, effects)
}

fn told(effects: &[Effect]) -> Vec<(PresenceChangeKind, SessionId)> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Tell { event: Event::PresenceChanged(change), .. } => {
                Some((change.kind, change.presence.session))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn the_first_seat_of_a_session_makes_it_present_and_the_last_one_ends_it() {
    let mut room = Membership::new(DocumentId::new());
    let (alice, session) = (user("Alice"), SessionId::new());

    let (first, effects) = sit(&mut room, session, &alice);
    assert_eq!(told(&effects), [(PresenceChangeKind::Joined, session)]);
    let (second, effects) = sit(&mut room, session, &alice);
    assert_eq!(effects, []);

    assert_eq!(room.leave(first), []);
    let effects = room.leave(second);
    assert_eq!(effects[0], Effect::Exit(session));
    assert_eq!(told(&effects), [(PresenceChangeKind::Left, session)]);
    assert!(room.is_empty());
}

#[test]
fn a_level_that_changes_while_it_is_read_is_the_one_that_counts() {
    let mut room = Membership::new(DocumentId::new());
    let bob = user("Bob");
    let seat = || Seat::new(DocumentId::new(), Topic::Changes, SessionId::new(), bob.clone());
    let (early, late) = (Arc::new(seat()), Arc::new(seat()));
    room.reserve(Arc::clone(&early));
    early.note_level(AccessLevel::Owner);
    room.reserve(Arc::clone(&late));
    assert_eq!((early.level(), late.level()), (Some(AccessLevel::Owner), None));

    room.change_level(UserId::new(), AccessLevel::Edit);
    room.change_level(bob.id, AccessLevel::View);
    late.note_level(AccessLevel::Edit);
    assert_eq!((early.level(), late.level()), (Some(AccessLevel::View), Some(AccessLevel::View)));
}

#[test]
fn a_seat_that_was_voided_while_access_was_read_cannot_be_confirmed() {
    let mut room = Membership::new(DocumentId::new());
    let bob = user("Bob");
    let seat = reserve(&mut room, SessionId::new(), &bob);

    assert_eq!(room.revoke(bob.id), [Effect::Evict(seat)]);

    assert_eq!(room.confirm(seat, Utc::now()), Err(RoomError::SeatVoided));
    assert!(room.is_empty());
}

#[test]
fn revoking_sends_one_user_away_and_nobody_else() {
    let mut room = Membership::new(DocumentId::new());
    let (alice, bob) = (user("Alice"), user("Bob"));
    let (at_alices, at_bobs, other_tab) = (SessionId::new(), SessionId::new(), SessionId::new());
    sit(&mut room, at_alices, &alice);
    let (first, _) = sit(&mut room, at_bobs, &bob);
    let (second, _) = sit(&mut room, other_tab, &bob);

    let effects = room.revoke(bob.id);

    assert_eq!(effects[..2], [Effect::Evict(first), Effect::Evict(second)]);
    let left = PresenceChangeKind::Left;
    assert_eq!(told(&effects), [(left, at_bobs), (left, other_tab)]);
    assert_eq!(room.sessions().collect::<Vec<_>>(), [at_alices]);
}

#[test]
fn a_cursor_is_told_with_its_session_as_origin_and_kept_for_the_list() {
    let mut room = Membership::new(DocumentId::new());
    let (alice, session) = (user("Alice"), SessionId::new());
    assert_eq!(room.move_cursor(session, cursor(1), Utc::now()), [], "nobody who is not there");
    let (seat, _) = sit(&mut room, session, &alice);

    let effects = room.move_cursor(session, cursor(7), Utc::now());

    let [Effect::Tell { origin, event: Event::CursorMoved(moved) }, Effect::Touch { .. }] =
        effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert_eq!(*origin, Origin { user: alice.id, session: Some(session) });
    assert_eq!((moved.cursor, moved.session), (cursor(7), session));
    let left = room.leave(seat);
    let Some(Effect::Tell { event: Event::PresenceChanged(change), .. }) = left.last() else {
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
    RevokeAll,
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
        1 => Just(Step::RevokeAll),
    ]
}

/// The rosters that follow from the effects, as another node or a client would keep them.
#[derive(Default)]
struct DeliveredEvents {
    roster: HashMap<SessionId, Presence>,
    told: HashMap<SessionId, PresenceChangeKind>,
}

impl DeliveredEvents {
    fn hear(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Enter(presence) => {
                    assert!(self.roster.insert(presence.session, presence).is_none());
                }
                Effect::Exit(session) => assert!(self.roster.remove(&session).is_some()),
                Effect::Touch { session, cursor, .. } => {
                    self.roster.get_mut(&session).unwrap().cursor = cursor;
                }
                Effect::Tell { event: Event::PresenceChanged(change), origin } => {
                    assert_eq!(origin.session, Some(change.presence.session));
                    let before = self.told.insert(change.presence.session, change.kind);
                    let expected = match before {
                        Some(PresenceChangeKind::Joined) => PresenceChangeKind::Left,
                        Some(PresenceChangeKind::Left) | None => PresenceChangeKind::Joined,
                    };
                    assert_eq!(change.kind, expected, "JOINED and LEFT alternate");
                }
                Effect::Tell { event: Event::CursorMoved(moved), .. } => {
                    assert!(self.roster.contains_key(&moved.session), "only members move");
                }
                Effect::Tell { event: Event::Changed(_), .. } | Effect::Evict(_) => {}
            }
        }
    }
}

proptest! {
    #[test]
    fn presence_is_right_under_any_order(steps in prop::collection::vec(step(), 0..120)) {
        let users: Vec<_> = (0..USERS).map(|n| user(&n.to_string())).collect();
        let sessions: Vec<_> =
            (0..SESSIONS).map(|n| (SessionId::new(), users[n % USERS].clone())).collect();
        let mut room = Membership::new(DocumentId::new());
        let mut heard = DeliveredEvents::default();
        // The obvious model: every seat with its session and whether it was confirmed.
        let mut seats: Vec<(SeatId, usize, bool)> = Vec::new();

        for step in steps {
            match step {
                Step::Reserve { session } => {
                    let seat = reserve(&mut room, sessions[session].0, &sessions[session].1);
                    seats.push((seat, session, false));
                }
                Step::Confirm { seat } => {
                    if let Some((seat, _, confirmed)) = seats.get_mut(seat) {
                        heard.hear(room.confirm(*seat, Utc::now()).unwrap());
                        *confirmed = true;
                    }
                }
                Step::Leave { seat } if seat < seats.len() => {
                    let (seat, ..) = seats.swap_remove(seat);
                    heard.hear(room.leave(seat));
                    prop_assert_eq!(room.leave(seat), []);
                    prop_assert_eq!(
                        room.confirm(seat, Utc::now()),
                        Err(RoomError::SeatVoided)
                    );
                }
                Step::Leave { .. } => {}
                Step::Move { session, line } => {
                    heard.hear(room.move_cursor(sessions[session].0, cursor(line), Utc::now()));
                }
                Step::Revoke { user } => {
                    heard.hear(room.revoke(users[user].id));
                    seats.retain(|(_, session, _)| session % USERS != user);
                }
                Step::RevokeAll => {
                    heard.hear(room.revoke_all());
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
            prop_assert_eq!(sorted(heard.roster.keys().copied().collect()), expected.clone());
            let present = heard.told.iter().filter(|(_, kind)| **kind == PresenceChangeKind::Joined);
            prop_assert_eq!(sorted(present.map(|(session, _)| *session).collect()), expected);
            prop_assert_eq!(room.is_empty(), seats.is_empty());
        }
    }
}
