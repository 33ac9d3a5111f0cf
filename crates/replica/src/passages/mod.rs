//! Which change inserted each passage of a document.
//!
//! Every insertion has an id in Yjs: a client and a clock. The stored update of a change has the ids that it inserted
//! ([`Insertions`]), and each piece of the content has the id of its insertion. So the change that
//! inserted a passage is found without comparing versions. This works for every editor.
//!
//! Invariant: the passages of a text, joined, are the text.

mod insertions;
mod passage;
mod search;

pub use insertions::Insertions;
pub use passage::Passage;
pub use search::{PassagePage, PassageSearch};

#[cfg(test)]
use search::MAX_PATH_BYTES;

#[cfg(test)]
#[path = "passages_tests.rs"]
mod tests;
