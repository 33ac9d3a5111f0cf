//! An upper bound of the work that inserting the structs of a document takes, in any order.
//!
//! When the library inserts an item, it finds its place by passing items between its left and right origin (YATA). An item
//! that it passes has the same left origin, or is in the left-origin tree below such a sibling. It passes none of
//!
//! - the right origins of the item, their right origins, and so on: they are at its right origin or to the right of it;
//! - the items of which it is such a right origin: they depend on it and are inserted later;
//! - siblings with the same right origin and no smaller client: the search ends at the first of them.
//!
//! Structs that were garbage-collected are in no list and pass nothing. The neighbours of an item are in one list, so both
//! its origins are. An update that says otherwise was made by hand. It has no bound.
//!
//! So the sum over all items of the sizes of the other siblings' trees bounds the steps. Typing adds one step for each item.
//! Only what was inserted at one place at the same time, by users who did not see each other's changes, adds more.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::{
    outline::{Outline, OutlineError},
    parts::Order,
    update_struct::{Id, ParentRef, Struct},
};

/// A list of items: a root type, a shared type, or one entry of a map.
///
/// It is a hash. If two lists have the same, the bound is too high.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct List(u64);

impl List {
    /// The list of structs that are in none.
    pub(super) const NONE: Self = Self(0);

    /// Returns the list of a root type, or with a key of a map's entry. Without a name the parent is an item, which
    /// [`inside`](Self::inside) adds.
    pub(super) fn of(name: &str, key: Option<&str>) -> Self {
        let mut hasher = DefaultHasher::new();
        (name, key).hash(&mut hasher);
        Self((hasher.finish() << 1) | u64::from(key.is_some()))
    }

    /// Returns this list inside the type that an item holds.
    fn inside(self, parent: Option<usize>) -> Self {
        let mut hasher = DefaultHasher::new();
        (self, parent).hash(&mut hasher);
        Self((hasher.finish() << 1) | (self.0 & 1))
    }

    /// Returns this list inside the type that the item with this id holds.
    pub(super) fn inside_of(self, parent: Id) -> Self {
        let mut hasher = DefaultHasher::new();
        (self, parent).hash(&mut hasher);
        Self((hasher.finish() << 1) | (self.0 & 1))
    }

    /// Whether it is the entry of a map.
    pub(super) fn is_keyed(self) -> bool {
        self.0 & 1 == 1
    }
}

/// What the siblings of an item have in common: their left origin, or the start of their list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Siblings {
    RightOf(usize),
    AtStart(List),
}

/// An item, or a part of one at whose end another item was inserted or a deleted range ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct ItemPiece {
    client: u64,
    pub(super) list: List,
    siblings: Siblings,
    /// The piece of its right origin.
    right: Option<usize>,
    /// The number of pieces in the left-origin tree below it, itself included.
    size: u64,
    /// The number of its siblings among its right origins, their right origins, and so on.
    rights: u64,
    /// The sum of the sizes of these.
    rights_size: u64,
}

/// The pieces of some structs, each after its origins.
pub(super) struct ItemPieces {
    pub(super) pieces: Vec<ItemPiece>,
    /// For each client the first clock of its pieces and their indexes, in the order of clocks.
    of_clients: HashMap<u64, Vec<(u32, usize)>>,
    /// Whether the two origins of an item are in different lists.
    mixes_lists: bool,
}

/// The bound for the structs of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConflictBound {
    /// The most items that the library passes when it inserts all structs, in any order. `u64::MAX` if the origins of an item
    /// are in different lists.
    pub steps: u64,
    /// The number of items.
    pub items: usize,
}

impl ConflictBound {
    /// Computes the bound for a document that these outlines have been applied to in this order, in time that is about linear.
    ///
    /// # Errors
    /// [`OutlineError`] if structs depend on each other in a cycle.
    pub fn of(outlines: &[&Outline]) -> Result<Self, OutlineError> {
        let structs = union(outlines);
        let mut pieces = ItemPieces::of(&structs, outlines)?;
        pieces.measure_trees();
        let items = pieces.pieces.len();
        Ok(Self { steps: pieces.bound_of(pieces.pieces.iter()), items })
    }
}

/// Returns the structs that a document has after these outlines in this order, client by client. As the library does, it
/// ignores what an outline says of clocks that are known already.
pub(super) fn union(outlines: &[&Outline]) -> Vec<Struct> {
    let (mut all, mut known) = (Vec::new(), HashMap::<u64, u32>::new());
    for part in outlines.iter().flat_map(|outline| &outline.structs) {
        let known = known.entry(part.id.client).or_default();
        if part.end() > *known {
            all.push(from_clock(*part, *known));
            *known = part.end();
        }
    }
    all.sort_by_key(|part| (part.id.client, part.id.clock));
    all
}

/// Returns what a struct has from a clock on.
fn from_clock(part: Struct, clock: u32) -> Struct {
    if part.id.clock >= clock {
        return part;
    }
    let id = Id { clock, ..part.id };
    let before = Id { clock: clock - 1, ..part.id };
    let parent = match part.parent {
        ParentRef::Root(List::NONE) => part.parent,
        ParentRef::Origins(_, right) => ParentRef::Origins(Some(before), right),
        ParentRef::Root(_) | ParentRef::Item(..) => ParentRef::Origins(Some(before), None),
    };
    Struct { id, length: part.end() - clock, parent, ..part }
}

/// Returns the clocks of each client before which its structs are split, sorted.
fn splits(structs: &[Struct], outlines: &[&Outline]) -> HashMap<u64, Vec<u32>> {
    let mut splits: HashMap<u64, Vec<u32>> = HashMap::new();
    let mut add = |client: u64, clock: u32| splits.entry(client).or_default().push(clock);
    for part in structs {
        if let ParentRef::Origins(left, right) = part.parent {
            if let Some(left) = left {
                add(left.client, left.clock + 1);
            }
            if let Some(right) = right {
                add(right.client, right.clock);
            }
        }
    }
    for range in outlines.iter().flat_map(|outline| &outline.deletions) {
        add(range.client, range.start);
        add(range.client, range.end);
    }
    for clocks in splits.values_mut() {
        clocks.sort_unstable();
        clocks.dedup();
    }
    splits
}

impl ItemPieces {
    pub(super) fn of(structs: &[Struct], outlines: &[&Outline]) -> Result<Self, OutlineError> {
        let splits = splits(structs, outlines);
        let mut pieces = Self {
            pieces: Vec::with_capacity(structs.len()),
            of_clients: HashMap::new(),
            mixes_lists: false,
        };
        for part in Order::new(structs, |_client| 0).find()? {
            let clocks = splits.get(&part.id.client).map_or(&[][..], Vec::as_slice);
            let from = clocks.partition_point(|clock| *clock <= part.id.clock);
            let inside = clocks.get(from..).unwrap_or_default().iter().copied();
            pieces.push(part, inside.take_while(|clock| *clock < part.end()));
        }
        Ok(pieces)
    }

    /// Adds a struct, split before these clocks.
    fn push(&mut self, part: &Struct, splits: impl Iterator<Item = u32>) {
        let (left, right) = match part.parent {
            ParentRef::Origins(left, right) => (left, right),
            ParentRef::Root(_) | ParentRef::Item(..) => (None, None),
        };
        let left = left.and_then(|id| self.find(id));
        let right = right.and_then(|id| self.find(id));
        let list = match part.parent {
            ParentRef::Root(list) => list,
            ParentRef::Item(parent, list) => list.inside(self.find(parent)),
            ParentRef::Origins(..) => self.list_of_origins(left, right),
        };
        let client = part.id.client;
        let mut siblings = left.map_or(Siblings::AtStart(list), Siblings::RightOf);
        for clock in std::iter::once(part.id.clock).chain(splits) {
            let index = self.pieces.len();
            let (rights, rights_size) = (0, 0);
            let piece = ItemPiece { client, list, siblings, right, size: 1, rights, rights_size };
            self.pieces.push(piece);
            self.of_clients.entry(client).or_default().push((clock, index));
            siblings = Siblings::RightOf(index);
        }
    }

    /// Returns the list of an item between these pieces.
    fn list_of_origins(&mut self, left: Option<usize>, right: Option<usize>) -> List {
        let list_of = |origin: Option<usize>| Some(self.pieces.get(origin?)?.list);
        let (left, right) = (list_of(left), list_of(right));
        self.mixes_lists |= left.zip(right).is_some_and(|(left, right)| left != right);
        left.or(right).unwrap_or(List::NONE)
    }

    /// Returns the piece with this insertion.
    pub(super) fn find(&self, id: Id) -> Option<usize> {
        let of_client = self.of_clients.get(&id.client)?;
        let after = of_client.partition_point(|(clock, _)| *clock <= id.clock);
        of_client.get(after.checked_sub(1)?).map(|(_, index)| *index)
    }

    /// Computes what depends on the origins of all pieces.
    pub(super) fn measure_trees(&mut self) {
        for index in (0..self.pieces.len()).rev() {
            let Some(ItemPiece { siblings, size, .. }) = self.pieces.get(index).copied() else {
                continue;
            };
            if let Siblings::RightOf(left) = siblings
                && let Some(left) = self.pieces.get_mut(left)
            {
                left.size += size;
            }
        }
        for index in 0..self.pieces.len() {
            let Some(piece) = self.pieces.get(index).copied() else { continue };
            let right = piece.right.and_then(|right| self.pieces.get(right)).copied();
            if let Some(right) = right.filter(|right| right.siblings == piece.siblings)
                && let Some(piece) = self.pieces.get_mut(index)
            {
                piece.rights = right.rights + 1;
                piece.rights_size = right.rights_size + right.size;
            }
        }
    }

    /// Returns the bound for some of the pieces, which are all of their lists.
    pub(super) fn bound_of<'a>(&self, pieces: impl Iterator<Item = &'a ItemPiece>) -> u64 {
        if self.mixes_lists {
            return u64::MAX;
        }
        let (mut listed, unlisted): (Vec<&ItemPiece>, Vec<&ItemPiece>) =
            pieces.partition(|piece| piece.list != List::NONE);
        listed.sort_unstable_by_key(|piece| (piece.siblings, piece.right, piece.client));
        let of_siblings = listed.chunk_by(|piece, next| piece.siblings == next.siblings);
        of_siblings.map(steps_of_siblings).fold(unlisted.len() as u64, u64::saturating_add)
    }
}

/// Returns the bound for pieces with the same left origin, sorted by right origin and client.
fn steps_of_siblings(siblings: &[&ItemPiece]) -> u64 {
    let all: u64 = siblings.iter().map(|piece| piece.size).sum();
    // The library also walks to the start of the list of a map's entry, twice.
    let is_keyed = matches!(siblings, [ItemPiece { siblings: Siblings::AtStart(list), .. }, _, ..] if list.is_keyed());
    let walk = if is_keyed { 2 * all } else { 0 };
    let (mut passed, mut not_passed) = (0_u128, 0_u128);
    for with_right in siblings.chunk_by(|piece, next| piece.right == next.right) {
        let others = all - with_right.iter().map(|piece| piece.size).sum::<u64>();
        let mut smaller = 0;
        for of_client in with_right.chunk_by(|piece, next| piece.client == next.client) {
            for piece in of_client {
                passed += u128::from(1 + walk + others + smaller);
                not_passed += u128::from(piece.rights_size) + u128::from(piece.rights * piece.size);
            }
            smaller += of_client.iter().map(|piece| piece.size).sum::<u64>();
        }
    }
    u64::try_from(passed.saturating_sub(not_passed)).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "conflicts_tests.rs"]
mod tests;
