//! How deep the types of a document are nested. The library goes down into them by calling itself, so there has to be a
//! bottom.
//!
//! An item says what it is in only if it had no neighbours; otherwise it is where its neighbour is. So the depth of
//! every insertion has to be known, also over several updates.

use std::collections::{BTreeMap, HashMap};

use super::outline::{Id, Outline, OutlineError, ParentRef};

/// Types are nested at most so deep.
const DEEPEST: u16 = 128;

/// The depths of what is in a document. What is not known of is in a type with a name.
#[derive(Debug, Default)]
pub struct Depths {
    /// For each client and the clock of a first insertion: the clock after the last one, and their depth.
    ranges: HashMap<u64, BTreeMap<u32, (u32, u16)>>,
}

impl Depths {
    /// Takes in what an update adds to a document that knows so much of each client. What it says of what is known
    /// already does not count: the library leaves it out.
    ///
    /// # Errors
    /// [`OutlineError::TooDeep`], also when it goes round in circles, or holds things in something that is no type;
    /// nothing was taken in.
    pub fn add(
        &mut self,
        outline: &Outline,
        known: impl Fn(u64) -> u32,
    ) -> Result<(), OutlineError> {
        let depths = Search::new(self, outline, &known).run()?;
        for (part, depth) in outline.structs.iter().zip(depths) {
            let start = part.id.clock.max(known(part.id.client));
            let end = part.id.clock + part.length;
            if depth > 0 && start < end {
                self.insert(Id { clock: start, ..part.id }, end - start, depth);
            }
        }
        Ok(())
    }

    fn of(&self, id: Id) -> u16 {
        let ranges = self.ranges.get(&id.client);
        let before = ranges.and_then(|ranges| ranges.range(..=id.clock).next_back());
        before.filter(|(_, (end, _))| id.clock < *end).map_or(0, |(_, (_, depth))| *depth)
    }

    fn insert(&mut self, id: Id, length: u32, depth: u16) {
        let ranges = self.ranges.entry(id.client).or_default();
        let end = id.clock + length;
        match ranges.range_mut(..=id.clock).next_back() {
            Some((_, (last, same))) if *last >= id.clock && *same == depth => {
                *last = end.max(*last);
            }
            _ => {
                ranges.insert(id.clock, (end, depth));
            }
        }
    }
}

/// Finding out the depth of each struct of an update.
struct Search<'a, K> {
    depths: &'a Depths,
    outline: &'a Outline,
    /// How much is known of each client.
    known: &'a K,
    /// Its structs by client and clock.
    order: Vec<usize>,
    found: Vec<Found>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    /// Somebody waits for it already.
    Asked,
    Depth(u16),
}

/// What an item hangs on: how deep that is, or where in the update it is found.
enum Hold {
    Known(u16),
    Struct(usize),
}

impl<'a, K: Fn(u64) -> u32> Search<'a, K> {
    fn new(depths: &'a Depths, outline: &'a Outline, known: &'a K) -> Self {
        let mut order: Vec<usize> = (0..outline.structs.len()).collect();
        order.sort_unstable_by_key(|index| {
            outline.structs.get(*index).map(|part| (part.id.client, part.id.clock))
        });
        let found = vec![Found::Nothing; outline.structs.len()];
        Self { depths, outline, known, order, found }
    }

    fn run(mut self) -> Result<Vec<u16>, OutlineError> {
        for index in 0..self.found.len() {
            self.find(index)?;
        }
        let depth = |found: Found| if let Found::Depth(depth) = found { depth } else { 0 };
        Ok(self.found.into_iter().map(depth).collect())
    }

    /// Goes from an item to what it hangs on until the depths are known, then back.
    fn find(&mut self, index: usize) -> Result<(), OutlineError> {
        let mut waiting = vec![index];
        while let Some(index) = waiting.last().copied() {
            let mut depth = 0;
            let mut next = None;
            for (hold, deeper) in self.holds(index)? {
                match hold {
                    Hold::Known(known) => depth = depth.max(known + deeper),
                    Hold::Struct(other) => match self.found.get(other) {
                        Some(Found::Depth(found)) => depth = depth.max(found + deeper),
                        Some(Found::Asked) => return Err(OutlineError::TooDeep),
                        _ if other == index => return Err(OutlineError::TooDeep),
                        _ => next = Some(other),
                    },
                }
            }
            if depth > DEEPEST {
                return Err(OutlineError::TooDeep);
            }
            match next {
                Some(next) => {
                    self.note(index, Found::Asked);
                    waiting.push(next);
                }
                None => {
                    self.note(index, Found::Depth(depth));
                    waiting.pop();
                }
            }
        }
        Ok(())
    }

    /// What an item hangs on, and how much deeper it is than each of that.
    fn holds(&self, index: usize) -> Result<Vec<(Hold, u16)>, OutlineError> {
        let Some(part) = self.outline.structs.get(index) else { return Ok(vec![]) };
        let mut holds = Vec::with_capacity(3);
        match part.place {
            ParentRef::Root => {}
            ParentRef::Within(parent) => {
                let hold = self.hold(parent);
                let may_hold = match hold {
                    Hold::Known(_) => true,
                    Hold::Struct(index) => {
                        self.outline.structs.get(index).is_some_and(|part| part.may_hold)
                    }
                };
                if !may_hold {
                    return Err(OutlineError::TooDeep);
                }
                holds.push((hold, 1));
            }
            ParentRef::Beside(left, right) => {
                holds.extend(left.into_iter().chain(right).map(|id| (self.hold(id), 0)));
            }
        }
        // Of one that is known in part the rest hangs on that part.
        let known = (self.known)(part.id.client);
        if part.id.clock < known && known < part.id.clock + part.length {
            let before = Id { client: part.id.client, clock: known - 1 };
            holds.push((Hold::Known(self.depths.of(before)), 0));
        }
        Ok(holds)
    }

    fn hold(&self, id: Id) -> Hold {
        if id.clock < (self.known)(id.client) {
            return Hold::Known(self.depths.of(id));
        }
        // What is nowhere makes the update incomplete, which is seen elsewhere.
        self.index_of(id).map_or(Hold::Known(0), Hold::Struct)
    }

    fn note(&mut self, index: usize, found: Found) {
        if let Some(place) = self.found.get_mut(index) {
            *place = found;
        }
    }

    /// The struct of the update in which an insertion is.
    fn index_of(&self, id: Id) -> Option<usize> {
        let part = |index: usize| self.outline.structs.get(index);
        let after = self.order.partition_point(|index| {
            part(*index)
                .is_some_and(|part| (part.id.client, part.id.clock) <= (id.client, id.clock))
        });
        let index = *self.order.get(after.checked_sub(1)?)?;
        let part = part(index)?;
        (part.id.client == id.client && id.clock < part.id.clock + part.length).then_some(index)
    }
}
