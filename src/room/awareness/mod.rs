//! Yjs awareness: the table of entries, their clocks, and the identity that each entry carries.

pub(super) mod clocks;
pub(super) mod identity;
pub(super) mod table;
