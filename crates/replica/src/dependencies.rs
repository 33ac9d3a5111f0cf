//! The order in which updates can be applied: each after those that it depends on.
//!
//! The work is proportional to the dependencies, however the updates are ordered.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap, HashMap},
};

/// Clocks that must be known, by client. `None` can never be known.
pub(crate) type Requirements = Option<HashMap<u64, u32>>;

/// Updates, by their place in a list, that wait for the clocks of clients.
pub(crate) struct Dependencies {
    /// How many clients each update still waits for.
    unmet: Vec<usize>,
    /// The updates that wait for a client, by the clock that they wait for.
    waiting: HashMap<u64, BinaryHeap<Reverse<(u32, usize)>>>,
    ready: BTreeSet<usize>,
}

impl Dependencies {
    /// Registers updates with these requirements, in order. `known` returns the present clock of a client.
    pub(crate) fn new(
        requirements: impl IntoIterator<Item = Requirements>,
        known: impl Fn(u64) -> u32,
    ) -> Self {
        let (unmet, waiting, ready) = (Vec::new(), HashMap::new(), BTreeSet::new());
        let mut dependencies = Self { unmet, waiting, ready };
        for (index, required) in requirements.into_iter().enumerate() {
            let missing: Option<Vec<_>> = required.map(|all| {
                all.into_iter().filter(|(client, clock)| *clock > known(*client)).collect()
            });
            // What can never be known never arrives.
            dependencies.unmet.push(missing.as_ref().map_or(usize::MAX, Vec::len));
            if missing.as_ref().is_some_and(Vec::is_empty) {
                dependencies.ready.insert(index);
            }
            for (client, clock) in missing.into_iter().flatten() {
                dependencies.waiting.entry(client).or_default().push(Reverse((clock, index)));
            }
        }
        dependencies
    }

    /// Returns the first update that can be applied, once.
    pub(crate) fn next(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    /// Notes that the clock of a client is known up to `clock`.
    pub(crate) fn advance(&mut self, client: u64, clock: u32) {
        let Some(waiting) = self.waiting.get_mut(&client) else { return };
        while let Some(Reverse((wanted, index))) = waiting.peek().copied()
            && wanted <= clock
        {
            waiting.pop();
            if let Some(unmet) = self.unmet.get_mut(index) {
                *unmet -= 1;
                if *unmet == 0 {
                    self.ready.insert(index);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(requirements: &[&[(u64, u32)]], gives: &[(u64, u32)]) -> Vec<usize> {
        let all = requirements.iter().map(|one| Some(one.iter().copied().collect()));
        let mut dependencies = Dependencies::new(all, |_client| 0);
        let mut order = Vec::new();
        while let Some(index) = dependencies.next() {
            let (client, clock) = gives[index];
            dependencies.advance(client, clock);
            order.push(index);
        }
        order
    }

    #[test]
    fn updates_follow_their_dependencies_and_otherwise_keep_their_order() {
        let gives = [(1, 10), (2, 10), (3, 10)];
        assert_eq!(order(&[&[], &[], &[]], &gives), [0, 1, 2]);
        assert_eq!(order(&[&[(2, 5), (3, 10)], &[(3, 1)], &[]], &gives), [2, 1, 0]);
        assert_eq!(order(&[&[(2, 11)], &[], &[(1, 1)]], &gives), [1]);
    }

    #[test]
    fn an_update_with_a_hole_never_becomes_ready() {
        let mut dependencies = Dependencies::new([None, Some(HashMap::new())], |_client| 0);
        assert_eq!(dependencies.next(), Some(1));
        dependencies.advance(1, u32::MAX);
        assert_eq!(dependencies.next(), None);
    }

    #[test]
    fn thousands_of_updates_in_reverse_order_are_ordered() {
        let count = 20_000_u32;
        let requirements = (0..count).map(|n| Some(HashMap::from([(1, count - n - 1)])));
        let mut dependencies = Dependencies::new(requirements, |_client| 0);
        let mut ordered = 0;
        while let Some(index) = dependencies.next() {
            ordered += 1;
            dependencies.advance(1, count - u32::try_from(index).unwrap());
        }
        assert_eq!(ordered, count);
    }
}
