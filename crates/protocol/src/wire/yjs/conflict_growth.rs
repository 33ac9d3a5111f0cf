//! What an update adds to the bound of a document ([`ConflictBound`](super::ConflictBound)), without reading the document.
//!
//! A list that only one update has, such as an entry of a map under a new key or the children of a new type, has no
//! item of the document. Inserting its items takes as many steps as in the update alone. Any other struct is attached: it may
//! pass every item of the document, and be passed by every one.
//!
//! An update made by hand can give an item one origin in a sequence and the other one in an entry of a map. The library then
//! puts that entry of the sequence's own map into the sequence. Each item of the entry without a left origin passes
//! the whole sequence, also if it comes with a later update, in which it seems to be the first of its list. The item between
//! the lists is attached itself and pays for one of them. So of an entry of a map only the first such item is not attached.

use std::collections::HashSet;

use super::{
    conflicts::{ItemPieces, List},
    outline::{Outline, OutlineError},
    parts::Order,
    update_struct::{Id, ParentRef, Struct},
};

/// The entries of the root maps of a document.
#[derive(Debug, Clone, Default)]
pub struct RootEntries {
    lists: HashSet<List>,
    /// Those that were added last.
    unconfirmed: Vec<List>,
}

impl RootEntries {
    /// Adds those that an update has, to be confirmed or taken back.
    pub fn add(&mut self, outline: &Outline) {
        for part in &outline.structs {
            if let ParentRef::Root(list) = part.parent
                && list.is_keyed()
                && self.lists.insert(list)
            {
                self.unconfirmed.push(list);
            }
        }
    }

    /// Keeps what was added.
    pub fn confirm(&mut self) {
        self.unconfirmed = Vec::new();
    }

    /// Removes what was added and not confirmed, because its update was refused.
    pub fn take_back(&mut self) {
        for list in std::mem::take(&mut self.unconfirmed) {
            self.lists.remove(&list);
        }
    }
}

/// What an update adds to the bound of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConflictGrowth {
    /// The most steps that inserting its own lists takes.
    pub steps: u64,
    /// The number of its new structs that are attached to the document.
    pub attached: usize,
}

impl ConflictGrowth {
    /// Computes what an update adds to a document that has these clocks and these entries of root maps. All that the
    /// update depends on is in the document or in itself.
    ///
    /// # Errors
    /// [`OutlineError`] if structs depend on each other in a cycle.
    pub fn of(
        outline: &Outline,
        known: impl Fn(u64) -> u32,
        entries: &RootEntries,
    ) -> Result<Self, OutlineError> {
        let new = outline.structs.iter().filter(|part| part.end() > known(part.id.client));
        let new: Vec<Struct> = new.copied().collect();
        // Behind a hole it is not known which structs of the update are new.
        if outline.has_skips {
            return Ok(Self { steps: 0, attached: new.len() });
        }
        let mut pieces = ItemPieces::of(&new, &[outline])?;
        pieces.measure_trees();
        let (is_own, begun) = (vec![false; pieces.pieces.len()], HashSet::new());
        let mut own = OwnLists { pieces: &pieces, is_own, begun };
        let mut attached = 0;
        for part in Order::new(&new, |_client| 0).find()? {
            let is_own = own.has(part, &known, entries);
            attached += usize::from(!is_own || own.begins_again(part));
            own.note(part, is_own);
        }
        let own_pieces = pieces.pieces.iter().zip(&own.is_own);
        let own_pieces = own_pieces.filter_map(|(piece, is_own)| is_own.then_some(piece));
        Ok(Self { steps: pieces.bound_of(own_pieces), attached })
    }
}

/// Which pieces of an update are in lists that only the update has.
struct OwnLists<'a> {
    pieces: &'a ItemPieces,
    is_own: Vec<bool>,
    /// The entries of maps of which an item without a left origin was found.
    begun: HashSet<List>,
}

impl OwnLists<'_> {
    /// Returns whether a struct, whose origins were noted, is in such a list.
    fn has(&self, part: &Struct, known: &impl Fn(u64) -> u32, entries: &RootEntries) -> bool {
        let is_new = |id: Id| id.clock >= known(id.client) && self.pieces.find(id).is_some();
        let is_own = |id: Id| {
            let index = self.pieces.find(id).filter(|_| is_new(id));
            index.and_then(|index| self.is_own.get(index)).is_some_and(|is_own| *is_own)
        };
        let has_new_list = match part.parent {
            ParentRef::Root(list) => list.is_keyed() && !entries.lists.contains(&list),
            ParentRef::Item(parent, _) => is_new(parent),
            ParentRef::Origins(left, right) => left.into_iter().chain(right).all(is_own),
        };
        has_new_list && is_new(part.id)
    }

    /// Whether a struct is in an entry of a map, without a left origin, and not the first such one.
    fn begins_again(&mut self, part: &Struct) -> bool {
        let has_left = matches!(part.parent, ParentRef::Origins(Some(_), _));
        let piece = self.pieces.find(part.id).and_then(|index| self.pieces.pieces.get(index));
        let entry = piece.map(|piece| piece.list).filter(|list| list.is_keyed() && !has_left);
        entry.is_some_and(|entry| !self.begun.insert(entry))
    }

    fn note(&mut self, part: &Struct, is_own: bool) {
        let last = Id { clock: part.end() - 1, ..part.id };
        if let (Some(first), Some(last)) = (self.pieces.find(part.id), self.pieces.find(last))
            && let Some(pieces) = self.is_own.get_mut(first..=last)
        {
            pieces.fill(is_own);
        }
    }
}

#[cfg(test)]
#[path = "conflict_growth_tests.rs"]
mod tests;
