//! The nesting depth of shared types in a document.
//!
//! The library recurses into nested types, so their depth must be limited. An item names its parent only if it has no
//! origins; otherwise its parent is that of its origins. So the depth of every insertion must be known, across updates.

use std::collections::{BTreeMap, HashMap};

use super::{
    outline::{Outline, OutlineError},
    update_struct::{Id, ParentRef},
};

/// The maximum nesting of shared types.
const MAX_DEPTH: u16 = 128;

/// The depths of a document's insertions. Those in root types have depth 0 and are not stored.
#[derive(Debug, Default)]
pub struct Depths {
    /// Ranges of clocks with the same depth: by client and first clock, the clock after the range, and the depth.
    ranges: HashMap<u64, BTreeMap<u32, (u32, u16)>>,
}

impl Depths {
    /// Adds the new insertions of an update. `known` is the clock of each client in the document's state vector. Of
    /// structs below it only the stored depth counts, because the library ignores what the update states about them.
    ///
    /// # Errors
    /// [`OutlineError::TooDeep`] if types are nested too deeply or in a cycle, or a parent is not a shared type. Nothing
    /// was added.
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
        let range = ranges.and_then(|ranges| ranges.range(..=id.clock).next_back());
        range.filter(|(_, (end, _))| id.clock < *end).map_or(0, |(_, (_, depth))| *depth)
    }

    fn insert(&mut self, id: Id, length: u32, depth: u16) {
        let ranges = self.ranges.entry(id.client).or_default();
        let end = id.clock + length;
        match ranges.range_mut(..=id.clock).next_back() {
            Some((_, (range_end, range_depth)))
                if *range_end >= id.clock && *range_depth == depth =>
            {
                *range_end = end.max(*range_end);
            }
            _ => {
                ranges.insert(id.clock, (end, depth));
            }
        }
    }
}

/// A depth-first search for the depth of each struct of an update.
struct Search<'a, K> {
    depths: &'a Depths,
    outline: &'a Outline,
    known: &'a K,
    /// The indices of the structs, sorted by client and clock.
    order: Vec<usize>,
    visits: Vec<Visit>,
}

/// The state of the search for one struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Visit {
    Pending,
    /// The search needs the depth of a dependency first.
    Waiting,
    Depth(u16),
}

/// An item that determines the depth of another.
enum Dependency {
    /// It is in the document and has this depth.
    Known(u16),
    /// It is in the update, in the struct with this index.
    Struct(usize),
}

impl<'a, K: Fn(u64) -> u32> Search<'a, K> {
    fn new(depths: &'a Depths, outline: &'a Outline, known: &'a K) -> Self {
        let mut order: Vec<usize> = (0..outline.structs.len()).collect();
        order.sort_unstable_by_key(|index| {
            outline.structs.get(*index).map(|part| (part.id.client, part.id.clock))
        });
        let visits = vec![Visit::Pending; outline.structs.len()];
        Self { depths, outline, known, order, visits }
    }

    /// Returns the depths of all structs, in the order of the update.
    fn run(mut self) -> Result<Vec<u16>, OutlineError> {
        for index in 0..self.visits.len() {
            self.visit(index)?;
        }
        let depth = |visit: Visit| if let Visit::Depth(depth) = visit { depth } else { 0 };
        Ok(self.visits.into_iter().map(depth).collect())
    }

    /// Finds the depth of a struct. Uses an explicit stack, because the chain of dependencies may be long.
    fn visit(&mut self, index: usize) -> Result<(), OutlineError> {
        let mut stack = vec![index];
        while let Some(index) = stack.last().copied() {
            let mut depth = 0;
            let mut next = None;
            for (dependency, levels) in self.dependencies(index)? {
                match dependency {
                    Dependency::Known(known) => depth = depth.max(known + levels),
                    Dependency::Struct(other) => match self.visits.get(other) {
                        Some(Visit::Depth(found)) => depth = depth.max(found + levels),
                        Some(Visit::Waiting) => return Err(OutlineError::TooDeep),
                        _ if other == index => return Err(OutlineError::TooDeep),
                        _ => next = Some(other),
                    },
                }
            }
            if depth > MAX_DEPTH {
                return Err(OutlineError::TooDeep);
            }
            match next {
                Some(next) => {
                    self.set(index, Visit::Waiting);
                    stack.push(next);
                }
                None => {
                    self.set(index, Visit::Depth(depth));
                    stack.pop();
                }
            }
        }
        Ok(())
    }

    /// Returns the dependencies of a struct, and how many levels deeper than each of them it is.
    fn dependencies(&self, index: usize) -> Result<Vec<(Dependency, u16)>, OutlineError> {
        let Some(part) = self.outline.structs.get(index) else { return Ok(vec![]) };
        let mut dependencies = Vec::with_capacity(3);
        match part.parent {
            ParentRef::Root(_) => {}
            ParentRef::Item(parent, _) => {
                let parent = self.dependency(parent);
                if !self.may_have_children(&parent) {
                    return Err(OutlineError::TooDeep);
                }
                dependencies.push((parent, 1));
            }
            ParentRef::Origins(left, right) => {
                let origins = left.into_iter().chain(right);
                dependencies.extend(origins.map(|id| (self.dependency(id), 0)));
            }
        }
        // The new part of a partly known struct has the depth of its known part.
        let known = (self.known)(part.id.client);
        if part.id.clock < known && known < part.id.clock + part.length {
            let last_known = Id { client: part.id.client, clock: known - 1 };
            dependencies.push((Dependency::Known(self.depths.of(last_known)), 0));
        }
        Ok(dependencies)
    }

    fn dependency(&self, id: Id) -> Dependency {
        if id.clock < (self.known)(id.client) {
            return Dependency::Known(self.depths.of(id));
        }
        // A missing dependency makes the update incomplete, which `Outline::is_complete` detects.
        self.index_of(id).map_or(Dependency::Known(0), Dependency::Struct)
    }

    /// Returns whether this may be the parent of an item. Items of the document are not checked.
    fn may_have_children(&self, parent: &Dependency) -> bool {
        match parent {
            Dependency::Known(_) => true,
            Dependency::Struct(index) => {
                self.outline.structs.get(*index).is_some_and(|part| part.may_have_children)
            }
        }
    }

    fn set(&mut self, index: usize, visit: Visit) {
        if let Some(entry) = self.visits.get_mut(index) {
            *entry = visit;
        }
    }

    /// Returns the index of the struct that contains an insertion.
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
