//! How deep the types of a document are nested. The library goes down into them by calling itself, so there has to be a
//! bottom.
//!
//! An item says what it is in only if it had no neighbours; otherwise it is where its neighbour is. So the depth of
//! every insertion has to be known, also over several updates.

use std::collections::{BTreeMap, HashMap};

use super::outline::{Id, Outline, OutlineError, Place};

/// Types are nested at most so deep.
const DEEPEST: u16 = 128;

/// The depths of what is in a document. What is not known of is in a type with a name.
#[derive(Debug, Default)]
pub struct Depths {
    /// For each client and the clock of a first insertion: the clock after the last one, and their depth.
    ranges: HashMap<u64, BTreeMap<u32, (u32, u16)>>,
}

impl Depths {
    /// Takes in what an update adds.
    ///
    /// # Errors
    /// [`OutlineError::TooDeep`], also when it goes round in circles; nothing was taken in.
    pub fn add(&mut self, outline: &Outline) -> Result<(), OutlineError> {
        let depths = Search::new(self, outline).run()?;
        for (part, depth) in outline.structs.iter().zip(depths) {
            if depth > 0 {
                self.insert(part.id, part.length, depth);
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
struct Search<'a> {
    known: &'a Depths,
    outline: &'a Outline,
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

impl<'a> Search<'a> {
    fn new(known: &'a Depths, outline: &'a Outline) -> Self {
        let mut order: Vec<usize> = (0..outline.structs.len()).collect();
        order.sort_unstable_by_key(|index| {
            outline.structs.get(*index).map(|part| (part.id.client, part.id.clock))
        });
        Self { known, outline, order, found: vec![Found::Nothing; outline.structs.len()] }
    }

    fn run(mut self) -> Result<Vec<u16>, OutlineError> {
        for index in 0..self.found.len() {
            self.find(index)?;
        }
        let depth = |found: Found| if let Found::Depth(depth) = found { depth } else { 0 };
        Ok(self.found.into_iter().map(depth).collect())
    }

    /// Goes from an item to what it hangs on until the depth is known, then back.
    fn find(&mut self, index: usize) -> Result<(), OutlineError> {
        let mut waiting = vec![index];
        while let Some(index) = waiting.last().copied() {
            let Some(place) = self.outline.structs.get(index).map(|part| part.place) else {
                return Ok(());
            };
            let (id, deeper) = match place {
                Place::Root => {
                    self.settle(&mut waiting, index, 0)?;
                    continue;
                }
                Place::Within(id) => (id, 1),
                Place::Beside(id) => (id, 0),
            };
            let Some(next) = self.index_of(id) else {
                self.settle(&mut waiting, index, self.known.of(id) + deeper)?;
                continue;
            };
            match self.found.get(next).copied().unwrap_or(Found::Nothing) {
                Found::Depth(depth) => self.settle(&mut waiting, index, depth + deeper)?,
                Found::Asked => return Err(OutlineError::TooDeep),
                Found::Nothing => {
                    self.note(index, Found::Asked);
                    if next == index {
                        return Err(OutlineError::TooDeep);
                    }
                    waiting.push(next);
                }
            }
        }
        Ok(())
    }

    fn settle(
        &mut self,
        waiting: &mut Vec<usize>,
        index: usize,
        depth: u16,
    ) -> Result<(), OutlineError> {
        if depth > DEEPEST {
            return Err(OutlineError::TooDeep);
        }
        self.note(index, Found::Depth(depth));
        waiting.pop();
        Ok(())
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
