//! Yjs awareness of a room: the [`table`] of entries, their [`clocks`], the [`identity`] in each, and the [`state`] that
//! the actor works with.

pub(super) mod clocks;
pub(super) mod editor_awareness;
pub(super) mod identity;
pub(super) mod state;
pub(super) mod table;
