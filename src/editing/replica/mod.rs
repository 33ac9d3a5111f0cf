//! The Yjs document of an open document: applying deltas, merging updates, and translating positions.

mod merge;
mod positions;
mod replica;

pub use merge::{MergeBounds, Merged, Unmergeable};
pub use positions::Selection;
pub use replica::{Corrupt, Refused, Replica};
