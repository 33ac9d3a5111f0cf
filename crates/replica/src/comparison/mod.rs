//! What differs between the content of two documents: two versions of one, each loaded as a document of its own.
//!
//! The content is compared root type by root type. Shared types are the same if they are the same item of Yjs, and are then
//! compared inside. Pieces of text, embedded objects and values are compared by what they are. A [`Difference`] shows the result as
//! JSON, and a restoration writes it.
//!
//! Invariant: the steps between two sequences lead from one to the other, also after the time of the comparison has ended. Then they
//! are coarser.

mod counts;
mod difference;
mod element;
mod op_list;
mod sequence;

use protocol::domain::Exhausted;

pub use counts::ChangeCounts;
pub use difference::Difference;
pub(crate) use element::{Element, ElementIdentity, What, identity_of, is_same_kind};
pub(crate) use sequence::{
    ElementSequence, ReadAllowance, Step, Writing, changed_formats, steps_between, text_elements,
};

/// Why shared types were not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is content of a kind that no editor makes and that cannot be written again.
    Unsupported,
    /// It was too much work.
    Exhausted(Exhausted),
}

impl From<Exhausted> for Failure {
    fn from(exhausted: Exhausted) -> Self {
        Self::Exhausted(exhausted)
    }
}

#[cfg(test)]
#[path = "comparison_tests.rs"]
mod tests;
