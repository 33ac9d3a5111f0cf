//! How often the formats of a document are copied when its texts are read.
//!
//! To read a text, the library copies all formats that hold at a piece of it: at each embedded object or shared type, and at each
//! change of a format. So a text that opens many formats under different names, and has many pieces after that, takes time and memory
//! that grow with the product of both. The product of the names and the pieces of each text bounds it. An object or a shared type counts
//! as two pieces, because the text before it is one.
//!
//! The neighbours of an item are in one list. An update that says otherwise was made by hand. It has no bound.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use super::{
    conflicts::{List, union},
    outline::{Outline, OutlineError},
    parts::Order,
    update_struct::{Id, ParentRef, Rich, Struct},
};

/// What some structs add to the formats of texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FormatGrowth {
    /// The formats that begin.
    pub formats: u64,
    /// The pieces: two for each embedded object and shared type, and one for each format that begins or ends.
    pub pieces: u64,
}

impl FormatGrowth {
    /// Takes an added growth back.
    pub fn take_back(&mut self, other: Self) {
        self.formats = self.formats.saturating_sub(other.formats);
        self.pieces = self.pieces.saturating_sub(other.pieces);
    }

    /// Adds another growth.
    pub fn add(&mut self, other: Self) {
        self.formats = self.formats.saturating_add(other.formats);
        self.pieces = self.pieces.saturating_add(other.pieces);
    }
}

/// A bound of the copies of formats in a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FormatCopies {
    /// The most formats that are copied when every text is read once. `u64::MAX` if the origins of an item are in different lists.
    pub copies: u64,
    /// The most names of formats in a text.
    names: u64,
    /// The most pieces in a text.
    pieces: u64,
}

impl FormatCopies {
    /// Computes the bound for a document that these outlines have been applied to in this order, in time that is about linear.
    ///
    /// # Errors
    /// [`OutlineError`] if structs depend on each other in a cycle.
    pub fn of(outlines: &[&Outline]) -> Result<Self, OutlineError> {
        let structs = union(outlines);
        let mut texts = Texts::default();
        for part in Order::new(&structs, |_client| 0).find()? {
            texts.add(part);
        }
        Ok(texts.bound())
    }

    /// Returns the most copies after this growth, wherever it happens.
    #[must_use]
    pub fn after(self, FormatGrowth { formats, pieces }: FormatGrowth) -> u64 {
        let of_formats = formats.saturating_mul(self.pieces.saturating_add(pieces));
        let of_pieces = pieces.saturating_mul(self.names);
        self.copies.saturating_add(of_formats).saturating_add(of_pieces)
    }
}

impl Outline {
    /// Returns what its structs add that a document lacks. `known` is the clock of each client in the document's state vector.
    pub fn format_growth(&self, known: impl Fn(u64) -> u32) -> FormatGrowth {
        let mut growth = FormatGrowth::default();
        if !self.has_pieces {
            return growth;
        }
        for part in self.structs.iter().filter(|part| part.end() > known(part.id.client)) {
            growth.formats += u64::from(matches!(part.rich, Rich::Format(_)));
            growth.pieces += part.rich.pieces();
        }
        growth
    }
}

/// Returns a number for the name of a format. If two have the same, the bound is a little too low.
pub(super) fn name_number(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}

/// What one text has.
#[derive(Default)]
struct TextFormats {
    names: HashSet<u64>,
    pieces: u64,
}

/// The texts of a document. Structs are added after those that they depend on.
#[derive(Default)]
struct Texts {
    texts: HashMap<List, TextFormats>,
    /// For each client the first clock of each of its structs and the list that it is in, in the order of clocks.
    lists: HashMap<u64, Vec<(u32, List)>>,
    /// Whether the two origins of an item are in different lists.
    mixes_lists: bool,
}

impl Texts {
    fn add(&mut self, part: &Struct) {
        let list = match part.parent {
            ParentRef::Root(list) => list,
            ParentRef::Item(parent, list) => list.inside_of(parent),
            ParentRef::Origins(left, right) => self.list_between(left, right),
        };
        self.lists.entry(part.id.client).or_default().push((part.id.clock, list));
        // What is in no list was deleted.
        if part.rich == Rich::No || list == List::NONE {
            return;
        }
        let text = self.texts.entry(list).or_default();
        text.pieces += part.rich.pieces();
        if let Rich::Format(name) = part.rich {
            text.names.insert(name);
        }
    }

    /// Returns the list of an item between these origins. The library uses the right one if the left one is in no list.
    fn list_between(&mut self, left: Option<Id>, right: Option<Id>) -> List {
        let list_of = |origin: Option<Id>| {
            let list = origin.and_then(|id| self.list_of(id));
            list.filter(|list| *list != List::NONE)
        };
        let (left, right) = (list_of(left), list_of(right));
        self.mixes_lists |= left.zip(right).is_some_and(|(left, right)| left != right);
        left.or(right).unwrap_or(List::NONE)
    }

    fn list_of(&self, id: Id) -> Option<List> {
        let of_client = self.lists.get(&id.client)?;
        let after = of_client.partition_point(|(clock, _)| *clock <= id.clock);
        of_client.get(after.checked_sub(1)?).map(|(_, list)| *list)
    }

    fn bound(&self) -> FormatCopies {
        let mut bound = FormatCopies::default();
        for text in self.texts.values() {
            let names = text.names.len() as u64;
            bound.copies = bound.copies.saturating_add(names.saturating_mul(text.pieces));
            bound.names = bound.names.max(names);
            bound.pieces = bound.pieces.max(text.pieces);
        }
        if self.mixes_lists {
            bound.copies = u64::MAX;
        }
        bound
    }
}

#[cfg(test)]
#[path = "format_copies_tests.rs"]
mod tests;
