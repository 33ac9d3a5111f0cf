use std::collections::HashSet;

use proptest::prelude::*;
use yrs::{Doc, GetString as _, Transact as _, Update, updates::decoder::Decode as _};

use super::*;

/// A letter that a client inserted between two others.
#[derive(Debug, Clone, Copy)]
struct Letter {
    id: (u64, u32),
    left: Option<usize>,
    right: Option<usize>,
}

/// The library's way to insert letters into a list, which counts the letters that it passes.
#[derive(Default)]
struct Reference {
    order: Vec<usize>,
    passed: u64,
}

impl Reference {
    fn insert(&mut self, letters: &[Letter], new: usize) {
        let letter = letters[new];
        let after = |index: usize| self.order.iter().position(|other| *other == index).unwrap() + 1;
        let first = letter.left.map_or(0, after);
        let mut place = first;
        let (mut conflicting, mut before) = (HashSet::new(), HashSet::new());
        for at in first..self.order.len() {
            let other = self.order[at];
            if letter.right == Some(other) {
                break;
            }
            self.passed += 1;
            conflicting.insert(other);
            before.insert(other);
            let Letter { id, left, right } = letters[other];
            if left == letter.left {
                if id.0 < letter.id.0 {
                    place = at + 1;
                    conflicting.clear();
                } else if right == letter.right {
                    break;
                }
            } else if left.is_some_and(|left| before.contains(&left)) {
                if left.is_some_and(|left| !conflicting.contains(&left)) {
                    place = at + 1;
                    conflicting.clear();
                }
            } else {
                break;
            }
        }
        self.order.insert(place, new);
    }

    /// Inserts all letters, of the first clients first, but each after those that it depends on.
    fn all(letters: &[Letter], clients: &[u64]) -> Self {
        let mut reference = Self::default();
        let mut inserted = vec![false; letters.len()];
        while reference.order.len() < letters.len() {
            let may_follow = |index: &usize| {
                let letter = letters[*index];
                let is_next = letters.iter().enumerate().all(|(other, before)| {
                    inserted[other] || before.id.0 != letter.id.0 || before.id.1 >= letter.id.1
                });
                let origins = letter.left.into_iter().chain(letter.right);
                !inserted[*index] && is_next && origins.into_iter().all(|origin| inserted[origin])
            };
            let rank =
                |index: &usize| clients.iter().position(|client| *client == letters[*index].id.0);
            let next = (0..letters.len()).filter(may_follow).min_by_key(rank).unwrap();
            inserted[next] = true;
            reference.insert(letters, next);
        }
        reference
    }
}

const CLIENTS: u64 = 4;

fn letter(index: usize) -> char {
    char::from_u32('A' as u32 + u32::try_from(index).unwrap()).unwrap()
}

fn encoded(letters: &[Letter]) -> Vec<u8> {
    let mut update = Vec::new();
    let clients = (1..=CLIENTS).rev().map(|client| {
        let of_client = letters.iter().enumerate().filter(|(_, letter)| letter.id.0 == client);
        (client, of_client.collect::<Vec<_>>())
    });
    let clients: Vec<_> = clients.filter(|(_, of_client)| !of_client.is_empty()).collect();
    let byte = |number: usize| u8::try_from(number).unwrap();
    update.push(byte(clients.len()));
    for (client, of_client) in clients {
        update.extend([byte(of_client.len()), u8::try_from(client).unwrap(), 0]);
        for (index, Letter { left, right, .. }) in of_client {
            let bit = |origin: &Option<usize>, bit| if origin.is_some() { bit } else { 0 };
            update.push(4 | bit(left, 0x80) | bit(right, 0x40));
            for origin in left.iter().chain(right) {
                let (client, clock) = letters[*origin].id;
                update.extend([u8::try_from(client).unwrap(), u8::try_from(clock).unwrap()]);
            }
            if left.is_none() && right.is_none() {
                update.extend([1, 1, b'c']);
            }
            let text = letter(index).to_string();
            update.push(byte(text.len()));
            update.extend(text.as_bytes());
        }
    }
    update.push(0);
    update
}

fn bound(letters: &[Letter]) -> ConflictBound {
    let outline = Outline::read(&encoded(letters), usize::MAX).unwrap();
    ConflictBound::of(&[&outline]).unwrap()
}

/// Returns letters of clients that each see all but the last few letters: each entry has a client, a place, and how many
/// letters of others the client does not see.
fn typed(edits: &[(u64, usize, usize)]) -> Vec<Letter> {
    let mut letters: Vec<Letter> = Vec::new();
    for (client, at, unseen) in edits.iter().copied() {
        let client = client % CLIENTS + 1;
        let seen = letters.len().saturating_sub(unseen);
        // A client sees its own letters and what they depend on.
        let mut seen: HashSet<usize> = (0..letters.len())
            .filter(|index| *index < seen || letters[*index].id.0 == client)
            .collect();
        loop {
            let origins =
                seen.iter().flat_map(|index| [letters[*index].left, letters[*index].right]);
            let known = origins.flatten();
            let clients: HashSet<usize> = known
                .chain(seen.iter().copied())
                .flat_map(|index| {
                    let id = letters[index].id;
                    let of_client = letters
                        .iter()
                        .enumerate()
                        .filter(move |(_, letter)| letter.id.0 == id.0 && letter.id.1 <= id.1);
                    of_client.map(|(index, _)| index)
                })
                .collect();
            if clients.len() == seen.len() {
                break;
            }
            seen = clients;
        }
        let mut reference = Reference::default();
        let mut sorted: Vec<usize> = seen.into_iter().collect();
        sorted.sort_unstable();
        for index in sorted {
            reference.insert(&letters, index);
        }
        let at = at % (reference.order.len() + 1);
        let left = at.checked_sub(1).map(|at| reference.order[at]);
        let clock = letters.iter().filter(|letter| letter.id.0 == client).count();
        let id = (client, u32::try_from(clock).unwrap());
        letters.push(Letter { id, left, right: reference.order.get(at).copied() });
    }
    letters
}

/// The orders in which the clients' letters are inserted.
const ORDERS: [[u64; 4]; 4] = [[4, 3, 2, 1], [1, 2, 3, 4], [2, 4, 1, 3], [3, 1, 4, 2]];

proptest! {
    #[test]
    fn what_users_type_takes_no_more_steps_than_the_bound(
        edits in prop::collection::vec((0..CLIENTS, 0..30_usize, 0..8_usize), 1..30),
    ) {
        let letters = typed(&edits);
        let doc = Doc::new();
        let text = doc.get_or_insert_text("c");
        let update = Update::decode_v1(&encoded(&letters)).unwrap();
        doc.transact_mut().apply_update(update).unwrap();
        let expected = text.get_string(&doc.transact());
        let bound = bound(&letters);
        for order in ORDERS {
            let reference = Reference::all(&letters, &order);
            let text: String = reference.order.iter().map(|index| letter(*index)).collect();
            prop_assert_eq!(&text, &expected);
            prop_assert!(reference.passed <= bound.steps, "{} {:?}", reference.passed, bound);
        }
    }

    #[test]
    fn any_origins_take_no_more_steps_than_the_bound(
        origins in prop::collection::vec((0..CLIENTS, 0..30_usize, 0..30_usize), 1..40),
    ) {
        let mut letters: Vec<Letter> = Vec::new();
        for (client, left, right) in origins {
            let client = client + 1;
            let clock = letters.iter().filter(|letter| letter.id.0 == client).count();
            let origin = |origin: usize| origin.checked_sub(1).filter(|origin| *origin < letters.len());
            let (left, right) = (origin(left), origin(right));
            let right = right.filter(|_| right != left);
            letters.push(Letter { id: (client, u32::try_from(clock).unwrap()), left, right });
        }
        let bound = bound(&letters);
        for order in ORDERS {
            let passed = Reference::all(&letters, &order).passed;
            prop_assert!(passed <= bound.steps, "{passed} {bound:?}");
        }
    }
}

#[test]
fn typing_takes_a_step_for_each_letter() {
    let at = |at: fn(usize) -> usize| {
        typed(&(0..100).map(|index| (1, at(index), 0)).collect::<Vec<_>>())
    };
    let steps = |letters: &[Letter]| bound(letters).steps;
    assert_eq!(steps(&at(|_index| 0)), 100, "backwards");
    assert_eq!(steps(&at(|index| index)), 100, "forwards");
    assert_eq!(steps(&at(|index| index / 2)), 100, "in the middle");
}

#[test]
fn clients_that_do_not_see_each_other_take_a_step_for_each_pair_of_letters() {
    // Each of four clients types 25 letters backwards.
    let letters = typed(&(0..100).map(|index| (index / 25, 0, 100)).collect::<Vec<_>>());
    assert_eq!(bound(&letters).steps, 100 + 4 * 25 * 75 - 6);
}

/// Writes the structs of one client from a clock on.
fn of_client(client: u8, clock: u8, structs: &[Vec<u8>]) -> Vec<u8> {
    let mut section = vec![u8::try_from(structs.len()).unwrap(), client, clock];
    section.extend(structs.concat());
    section
}

/// Writes an update with these sections, the ones of larger clients first.
fn update_of(sections: &[Vec<u8>]) -> Outline {
    let mut update = vec![u8::try_from(sections.len()).unwrap()];
    update.extend(sections.concat());
    update.push(0);
    Outline::read(&update, usize::MAX).unwrap()
}

/// A letter in a root text.
fn first_letter() -> Vec<u8> {
    vec![4, 1, 1, b'c', 1, b'a']
}

/// A letter between two insertions, each a client and a clock.
fn letter_between(left: (u8, u8), right: (u8, u8)) -> Vec<u8> {
    vec![0xC4, left.0, left.1, right.0, right.1, 1, b'b']
}

/// A letter under a key of a root map.
fn entry() -> Vec<u8> {
    vec![0x24, 1, 1, b'm', 1, b'k', 1, b'e']
}

/// A collected struct of a length.
fn collected(length: u8) -> Vec<u8> {
    vec![0, length]
}

#[test]
fn what_an_update_says_of_known_structs_is_ignored() {
    // Two clients type backwards without seeing each other.
    let letters = typed(&(0..26).map(|index| (index / 13, 0, 100)).collect::<Vec<_>>());
    let document = Outline::read(&encoded(&letters), usize::MAX).unwrap();
    let alone = ConflictBound::of(&[&document]).unwrap();
    let next = |client: u8| vec![0x84, client, 12, 1, b'z'];
    let honest = update_of(&[2, 1].map(|client| of_client(client, 13, &[next(client)])));
    let forged =
        update_of(&[2, 1].map(|client| of_client(client, 0, &[collected(13), next(client)])));
    let bound = ConflictBound::of(&[&document, &forged]).unwrap();
    assert_eq!(bound, ConflictBound::of(&[&document, &honest]).unwrap());
    assert!(bound.steps > alone.steps);
    // A part of what it says is new.
    let longer = update_of(&[2, 1].map(|client| of_client(client, 0, &[collected(14)])));
    let bound = ConflictBound::of(&[&document, &longer]).unwrap();
    assert_eq!((bound.steps, bound.items), (alone.steps + 2, alone.items + 2));
}

#[test]
fn an_item_between_two_lists_has_no_bound() {
    let lists = [
        [first_letter(), entry()],
        [entry(), first_letter()],
        [collected(1), entry()],
        [entry(), collected(1)],
    ];
    for structs in lists {
        let document = of_client(1, 0, &structs);
        let between = of_client(2, 0, &[letter_between((1, 0), (1, 1))]);
        assert_eq!(ConflictBound::of(&[&update_of(&[between, document])]).unwrap().steps, u64::MAX);
    }
    let document = of_client(1, 0, &[collected(2)]);
    let between = of_client(2, 0, &[letter_between((1, 0), (1, 1))]);
    assert_eq!(ConflictBound::of(&[&update_of(&[between, document])]).unwrap().steps, 3);
}

#[test]
fn collected_structs_pass_nothing() {
    let clients: Vec<_> =
        (1..=100).rev().map(|client| of_client(client, 0, &[collected(1)])).collect();
    let bound = ConflictBound::of(&[&update_of(&clients)]).unwrap();
    assert_eq!(bound, ConflictBound { steps: 100, items: 100 });
}
