//! Changes of a text as values: what a delta is, and what can be done with two of them.
//!
//! A [`Delta`] is a list of steps in the Quill Delta format, for plain text: keep so many code units, insert a text,
//! delete so many. Lengths count UTF-16 code units. [`Delta::compose`] puts one after another, [`Delta::transform`]
//! rewrites one as if another had been there first, [`Delta::between`] finds the one that leads from a text to
//! another, and [`Content`] is a text that deltas are applied to.
//!
//! Invariant: a delta is in its only normal form. Equal neighbours are one step, an insertion stands before a
//! deletion at the same place, nothing is kept at the end, and no step is empty.

mod compose;
mod content;
mod difference;
#[cfg(test)]
mod model_tests;
mod operation;
mod steps;
mod transform;
mod wire;

pub use content::{Content, DeltaMismatch};
pub use operation::{Delta, Op};
pub use transform::Tie;
pub use wire::DeltaStep;
