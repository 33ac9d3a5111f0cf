//! Which events of one sender have reached one receiver.

/// How an event arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// For the first time, after all that arrived before.
    New,
    /// For the first time, after a later one.
    Late,
    /// Once more.
    Repeated,
}

/// The events that have arrived, by their place among those of the sender.
#[derive(Debug, Clone, Default)]
pub(crate) struct Arrivals {
    bits: Vec<u64>,
    count: u64,
    newest: Option<u64>,
}

impl Arrivals {
    /// Adds an event.
    pub(crate) fn add(&mut self, place: u64) -> Arrival {
        let (word, bit) = ((place / 64) as usize, 1 << (place % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        if self.bits[word] & bit != 0 {
            return Arrival::Repeated;
        }
        self.bits[word] |= bit;
        self.count += 1;
        let is_late = self.newest.is_some_and(|newest| newest > place);
        self.newest = self.newest.max(Some(place));
        if is_late { Arrival::Late } else { Arrival::New }
    }

    /// Returns the places of the events that have arrived, in ascending order.
    pub(crate) fn places(&self) -> impl Iterator<Item = u64> + '_ {
        let words = self.bits.iter().zip(0..);
        words.flat_map(|(word, index)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| index * 64 + bit)
        })
    }

    /// Returns the place after that of the latest event that has arrived.
    pub(crate) fn next(&self) -> u64 {
        self.newest.map_or(0, |newest| newest + 1)
    }

    /// Returns how many different events have arrived.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_and_late_events_are_told_apart() {
        let mut arrivals = Arrivals::default();
        let kinds = [0, 2, 1, 2, 70].map(|place| arrivals.add(place));
        assert_eq!(
            kinds,
            [Arrival::New, Arrival::New, Arrival::Late, Arrival::Repeated, Arrival::New]
        );
        assert_eq!((arrivals.count(), arrivals.next()), (4, 71));
        assert_eq!(Arrivals::default().next(), 0);
        assert_eq!(arrivals.places().collect::<Vec<_>>(), [0, 1, 2, 70]);
    }
}
