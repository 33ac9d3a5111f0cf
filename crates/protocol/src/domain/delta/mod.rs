//! Deltas, the changes of a text with formats and embedded objects.
//!
//! A [`Delta`] is a list of steps in the Quill Delta format: retain, insert and delete. Lengths count UTF-16 code
//! units, and an [`EmbeddedObject`] has the length 1. Retained and inserted text may receive [`TextFormats`]. [`Delta::compose`] merges consecutive deltas, [`Delta::transform`] rebases a delta onto a concurrent one,
//! [`Delta::between`] computes the delta between two texts, [`Delta::coarsened`] limits its steps, and [`Content`] is the plain text
//! that deltas are applied to.
//!
//! Invariant: a delta is in normal form. Adjacent steps of one kind and with the same formats are merged, an insertion
//! precedes a deletion at the same offset, the last step is no retain without formats, no insertion removes a format, and no
//! step is empty.

mod coarsen;
mod compose;
mod content;
mod difference;
mod embedded_object;
mod formats;
#[cfg(test)]
mod model_tests;
mod operation;
mod steps;
mod transform;
mod wire;

pub use content::{Content, DeltaMismatch};
pub use difference::CompareUntil;
pub use embedded_object::EmbeddedObject;
pub use formats::TextFormats;
pub use operation::{Delta, Op};
pub use transform::Tie;
pub use wire::DeltaStep;
