//! A struct of an update: its id, its length, and its parent as the update describes it.

use super::conflicts::List;

/// The id of an insertion: its client and its clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) client: u64,
    pub(super) clock: u32,
}

impl Id {
    /// Returns whether `next` is the insertion after this one, by the same client.
    pub(super) fn is_before(self, next: Self) -> bool {
        self.client == next.client && self.clock + 1 == next.clock
    }
}

/// The parent of an item, as the update describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParentRef {
    /// A list of a root type, or none for a struct that was garbage-collected.
    Root(List),
    /// A list of the type that this item holds.
    Item(Id, List),
    /// The parent of its left and right origin, of which there is at least one.
    Origins(Option<Id>, Option<Id>),
}

impl ParentRef {
    /// Returns the insertions before which the library splits a struct to find the origins, as clients and clocks.
    pub(super) fn splits(self) -> impl Iterator<Item = (u64, u32)> {
        let (left, right) = match self {
            Self::Origins(left, right) => (left, right),
            Self::Root(_) | Self::Item(..) => (None, None),
        };
        let after_left = left.map(|id| (id.client, id.clock + 1));
        after_left.into_iter().chain(right.map(|id| (id.client, id.clock)))
    }
}

/// What a struct is to the formats of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rich {
    /// Text, a value, or something that was deleted.
    No,
    /// An embedded object or a shared type.
    Object,
    /// The end of a format.
    End,
    /// The beginning of a format whose name has this number.
    Format(u64),
}

impl Rich {
    /// Returns the most pieces of a text that it adds. The text before an object is one as well.
    pub(super) fn pieces(self) -> u64 {
        match self {
            Self::No => 0,
            Self::End | Self::Format(_) => 1,
            Self::Object => 2,
        }
    }
}

/// A struct of an update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Struct {
    pub(super) id: Id,
    pub(super) length: u32,
    pub(super) parent: ParentRef,
    /// Whether it is a shared type, or may have been one before its deletion.
    pub(super) may_have_children: bool,
    pub(super) rich: Rich,
    /// Where its encoding begins in the update, and where it ends.
    pub(super) encoded: (usize, usize),
}

impl Struct {
    /// Returns the clock after it.
    pub(super) fn end(&self) -> u32 {
        self.id.clock + self.length
    }
}
