use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn bounds(places: usize, share: usize, waiting_of_key: usize, waiting: usize) -> QueueBounds {
    QueueBounds { places, share, waiting_of_key, waiting }
}

/// One place that `z` holds, with these waiters: a letter is the key, and waiters are numbered in the order of their coming.
fn occupied(bounds: QueueBounds, waiters: &str) -> QueuePlaces<char, usize> {
    let mut places = QueuePlaces::new(bounds);
    assert_eq!(places.request(&'z', 0), Request::Taken);
    for (number, key) in waiters.chars().enumerate() {
        assert!(matches!(places.request(&key, number), Request::Waits(_, None)));
    }
    places
}

/// Has everyone give their place back at once, and returns the keys and numbers in the order in which they are served.
fn serve_all(mut places: QueuePlaces<char, usize>) -> Vec<(char, usize)> {
    let (mut holder, mut served) = ('z', vec![]);
    while let Some((key, number)) = places.give_back(&holder) {
        served.push((key, number));
        holder = key;
    }
    assert_eq!((places.free, places.waiting), (places.bounds.places, 0));
    assert!(places.keys.is_empty() && places.order.is_empty());
    served
}

#[test]
fn keys_are_served_in_turn_and_their_waiters_in_order() {
    let served = serve_all(occupied(bounds(1, 1, 10, 10), "aaaabbc"));
    assert_eq!(served, [('a', 0), ('b', 4), ('c', 6), ('a', 1), ('b', 5), ('a', 2), ('a', 3)]);
}

#[test]
fn a_key_holds_its_share_even_if_nobody_else_waits() {
    let mut places = QueuePlaces::new(bounds(3, 2, 10, 10));
    assert_eq!(places.request(&'a', 0), Request::Taken);
    assert_eq!(places.request(&'a', 1), Request::Taken);
    assert!(matches!(places.request(&'a', 2), Request::Waits(_, None)));
    assert_eq!(places.request(&'b', 3), Request::Taken);
    // The place of `b` is of no use to `a`.
    assert_eq!(places.give_back(&'b'), None);
    assert_eq!(places.give_back(&'a'), Some(('a', 2)));
}

#[test]
fn a_key_that_holds_its_share_does_not_lose_its_turn() {
    let mut places = QueuePlaces::new(bounds(2, 1, 10, 10));
    assert_eq!(places.request(&'a', 0), Request::Taken);
    assert_eq!(places.request(&'b', 1), Request::Taken);
    for (number, key) in "acd".chars().enumerate() {
        assert!(matches!(places.request(&key, number), Request::Waits(_, None)));
    }
    assert_eq!(places.give_back(&'b'), Some(('c', 1)));
    assert_eq!(places.give_back(&'a'), Some(('a', 0)));
    assert_eq!(places.give_back(&'c'), Some(('d', 2)));
}

#[test]
fn waiters_of_a_key_are_bounded() {
    let mut places = occupied(bounds(1, 1, 2, 10), "aa");
    assert_eq!(places.request(&'a', 2), Request::Refused);
    assert!(matches!(places.request(&'b', 3), Request::Waits(_, None)));
}

#[test]
fn the_newest_waiter_of_the_longest_queue_gives_way() {
    let mut places = occupied(bounds(1, 1, 10, 4), "abaa");
    assert!(matches!(places.request(&'c', 4), Request::Waits(_, Some(3))));
    assert!(matches!(places.request(&'d', 5), Request::Waits(_, Some(2))));
    // Now each has one.
    for key in "aeb".chars() {
        assert_eq!(places.request(&key, 6), Request::Refused);
    }
    assert_eq!(serve_all(places), [('a', 0), ('b', 1), ('c', 4), ('d', 5)]);
}

#[test]
fn a_waiter_that_leaves_gives_its_turn_on() {
    let mut places = occupied(bounds(1, 1, 10, 10), "a");
    let Request::Waits(ticket, None) = places.request(&'b', 1) else { panic!("a place") };
    assert!(matches!(places.request(&'c', 2), Request::Waits(_, None)));
    assert_eq!(places.remove(&'b', ticket), Some(1));
    assert_eq!(places.remove(&'b', ticket), None);
    assert_eq!(serve_all(places), [('a', 0), ('c', 2)]);
}

#[test]
fn most_places_go_to_the_lower_rank_but_no_rank_starves() {
    let served = serve_all(occupied(bounds(1, 1, 10, 20), "ABAaabbab"));
    let keys: String = served.iter().map(|(key, _)| *key).collect();
    assert_eq!(keys, "abaAbabBA");
}

#[test]
fn a_waiter_of_a_higher_rank_gives_way() {
    let mut places = occupied(bounds(1, 1, 10, 4), "ABCa");
    assert_eq!(places.request(&'D', 4), Request::Refused);
    for (key, number, gives_way) in [('b', 5, 2), ('a', 6, 1), ('c', 7, 0)] {
        assert!(
            matches!(places.request(&key, number), Request::Waits(_, Some(out)) if out == gives_way)
        );
    }
    // None of the second rank waits, and `a` does twice.
    assert!(matches!(places.request(&'D', 8), Request::Waits(_, Some(6))));
    assert!(matches!(places.request(&'d', 9), Request::Waits(_, Some(8))));
    assert_eq!(serve_all(places), [('a', 3), ('b', 5), ('c', 7), ('d', 9)]);
}

#[test]
fn a_few_keys_of_the_lower_rank_do_not_keep_out_the_higher_one() {
    let mut places = occupied(bounds(1, 1, 10, 12), "aaaaaabbbbbb");
    let waits = |places: &mut QueuePlaces<char, usize>, key, number| {
        matches!(places.request(&key, number), Request::Waits(_, Some(_)))
    };
    for (number, key) in "ABCD".chars().enumerate() {
        assert!(waits(&mut places, key, 100 + number), "{key} does not wait");
    }
    // Now they have as many as `a` and as `b`, and neither gets back what it lost.
    for key in "Eab".chars() {
        assert_eq!(places.request(&key, 104), Request::Refused, "{key}");
    }
    // Others of the lower rank have none yet.
    assert!(waits(&mut places, 'c', 105));
    let mut served: Vec<_> = serve_all(places).iter().map(|(key, _)| *key).collect();
    served.sort_unstable();
    assert_eq!(String::from_iter(served), "ABCaaaabbbbc");
}

#[test]
fn many_keys_of_the_higher_rank_take_nothing_from_the_lower_one() {
    let mut places = occupied(bounds(1, 1, 10, 12), "aaaaABCDEFGH");
    assert_eq!(places.request(&'I', 12), Request::Refused);
    assert!(matches!(places.request(&'a', 13), Request::Waits(_, Some(11))));
    assert_eq!(places.request(&'I', 14), Request::Refused);
}

#[derive(Debug, Clone)]
enum Step {
    Request(u8),
    /// Gives back one of the places that are held.
    GiveBack(prop::sample::Index),
    /// Removes one of the waiters.
    Remove(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..5_u8).prop_map(Step::Request),
        2 => any::<prop::sample::Index>().prop_map(Step::GiveBack),
        1 => any::<prop::sample::Index>().prop_map(Step::Remove),
    ]
}

/// What must be true of the places: who holds them, and who waits.
#[derive(Default)]
struct Model {
    held: Vec<u8>,
    /// Key, number and ticket, in the order of coming.
    waiting: Vec<(u8, usize, Ticket)>,
    /// How often other keys have been served since a key began to wait or was served, while it could have been.
    overtaken: BTreeMap<u8, BTreeMap<u8, usize>>,
}

impl Model {
    fn held_by(&self, key: u8) -> usize {
        self.held.iter().filter(|held| **held == key).count()
    }

    fn waiters_of(&self, key: u8) -> usize {
        self.waiting.iter().filter(|(of, ..)| *of == key).count()
    }

    /// Checks that the one who was served was the first of its key, and that no other key was passed over twice for it.
    fn serve(&mut self, key: u8, number: usize, share: usize) {
        let first = self.waiting.iter().position(|(of, ..)| *of == key).unwrap();
        assert_eq!(self.waiting.remove(first).1, number, "first in, first out");
        for other in 0..5_u8 {
            if other != key && self.waiters_of(other) > 0 && self.held_by(other) < share {
                let times = self.overtaken.entry(other).or_default().entry(key).or_default();
                *times += 1;
                assert!(*times <= 1, "{other} was passed over twice for {key}");
            }
        }
        self.overtaken.remove(&key);
        self.held.push(key);
    }

    fn check(&self, places: &QueuePlaces<u8, usize>) {
        let QueueBounds { places: all, share, .. } = places.bounds;
        assert_eq!(places.free + self.held.len(), all, "no place is lost or made");
        assert_eq!(places.waiting, self.waiting.len());
        let is_busy = |key: u8| self.held_by(key) + self.waiters_of(key) > 0;
        assert_eq!(places.keys.len(), (0..5).filter(|key| is_busy(*key)).count());
        for key in 0..5 {
            assert!(self.held_by(key) <= share);
            let may_take = self.waiters_of(key) > 0 && self.held_by(key) < share;
            assert!(!(may_take && places.free > 0), "{key} waits beside a free place");
        }
    }
}

proptest! {
    #[test]
    fn no_place_is_lost_and_no_key_starves(
        (all, share) in (1..5_usize).prop_flat_map(|all| (Just(all), 1..=all)),
        (waiting_of_key, waiting) in (1..6_usize, 1..12_usize),
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut places = QueuePlaces::new(bounds(all, share, waiting_of_key, waiting));
        let mut model = Model::default();
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Request(key) => {
                    let (of_key, in_all) = (model.waiters_of(key), model.waiting.len());
                    match places.request(&key, number) {
                        Request::Taken => model.held.push(key),
                        Request::Waits(ticket, displaced) => {
                            if let Some(displaced) = displaced {
                                let index =
                                    model.waiting.iter().position(|(_, n, _)| *n == displaced).unwrap();
                                let (of, ..) = model.waiting.remove(index);
                                prop_assert!(of != key && model.waiters_of(of) > of_key);
                                prop_assert_eq!(in_all, waiting);
                            }
                            model.waiting.push((key, number, ticket));
                        }
                        Request::Refused => {
                            let longest = (0..5).map(|key| model.waiters_of(key)).max().unwrap_or(0);
                            prop_assert!(
                                of_key >= waiting_of_key || (in_all >= waiting && longest <= of_key + 1)
                            );
                        }
                    }
                }
                Step::GiveBack(index) if !model.held.is_empty() => {
                    let key = model.held.swap_remove(index.index(model.held.len()));
                    if let Some((served, number)) = places.give_back(&key) {
                        model.serve(served, number, share);
                    }
                }
                Step::Remove(index) if !model.waiting.is_empty() => {
                    let (key, number, ticket) = model.waiting.remove(index.index(model.waiting.len()));
                    prop_assert_eq!(places.remove(&key, ticket), Some(number));
                    if model.waiters_of(key) == 0 {
                        model.overtaken.remove(&key);
                    }
                }
                Step::GiveBack(_) | Step::Remove(_) => {}
            }
            model.check(&places);
        }
        // When every place is given back, everyone who waits is served.
        while let Some(key) = model.held.pop() {
            if let Some((served, number)) = places.give_back(&key) {
                model.serve(served, number, share);
            }
            model.check(&places);
        }
        prop_assert!(model.waiting.is_empty() && places.keys.is_empty());
    }
}
