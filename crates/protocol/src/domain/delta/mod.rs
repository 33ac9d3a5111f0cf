//! Deltas, the changes of a plain text.
//!
//! A [`Delta`] is a list of steps in the Quill Delta format: retain, insert and delete. Lengths count UTF-16 code
//! units. [`Delta::compose`] merges consecutive deltas, [`Delta::transform`] rebases a delta onto a concurrent one,
//! [`Delta::between`] computes the delta between two texts, [`Delta::coarsened`] limits its steps, and [`Content`] is a text that deltas are
//! applied to.
//!
//! Invariant: a delta is in normal form. Adjacent steps of one kind are merged, an insertion precedes a deletion at
//! the same offset, the last step is no retain, and no step is empty.

mod coarsen;
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
pub use difference::CompareUntil;
pub use operation::{Delta, Op};
pub use transform::Tie;
pub use wire::DeltaStep;
