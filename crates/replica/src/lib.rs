//! The Yjs replica that the server keeps of an open document.
//!
//! A [`Replica`] holds the Yjs document and its plain text, which always agree. GraphQL edits arrive as deltas
//! ([`replica`]), the updates of Yjs editors are checked and merged ([`merge`]), and cursors are translated between line
//! and column and relative positions ([`positions`]).
//!
//! No I/O, no clock, no runtime.

mod merge;
mod panic_guard;
mod positions;
mod replica;

pub use merge::{MergeBounds, MergeError, Merged};
pub use positions::Selection;
pub use replica::{ApplyError, CorruptDocument, Replica};
