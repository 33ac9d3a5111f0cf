//! The server's Yjs replica of an open document.
//!
//! A [`Replica`] holds the Yjs document and its plain text. Edits of GraphQL clients arrive as deltas
//! ([`Replica::apply`]), those of Yjs editors as updates, which are checked and merged ([`Replica::merge`]). Earlier versions come
//! back by [`Replica::restore`], and changes are taken back by [`Reversal`]. Cursors are
//! converted between line and column and relative positions ([`Selection`]).
//!
//! Invariant: the plain text is that of the Yjs document. No I/O, no clock, no runtime.

mod adoption;
mod body;
mod body_root;
mod body_text;
mod branches;
mod compaction;
mod comparison;
mod conflicts;
mod content_json;
mod cuts;
mod delta_steps;
mod dependencies;
#[cfg(test)]
mod editors;
mod format_limit;
mod inspection;
mod json_allowance;
mod known_content;
mod large_update;
mod list_values;
mod marks;
mod merge;
mod panic_guard;
mod parts;
mod passages;
mod positions;
mod replica;
mod restoration;
mod reversal;
mod splits;
mod structs;
mod subdocuments;
mod weight;

pub use body::{BodyKind, BodyMismatch, DocumentBody};
pub use compaction::Uncopied;
pub use comparison::{ChangeCounts, Difference};
pub use json_allowance::JsonTooLarge;
pub use merge::{MergeBounds, MergeError, Merged};
pub use passages::{Insertions, Passage, PassagePage, PassageSearch};
pub use positions::Selection;
pub use replica::{ApplyBounds, ApplyError, CorruptDocument, Replica, StateError};
pub use restoration::{RestoreError, Restored};
pub use reversal::{Reversal, ReversalError};
pub use structs::LOADED_SHARE;
