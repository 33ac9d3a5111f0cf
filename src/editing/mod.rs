//! What becomes of a text.
//!
//! An [`EditRequest`](request) waits in the [`queue`]. A commit [`turn`] takes what waits, has the [`stage`] rebase or merge
//! each request onto the head and apply it to the [`replica`], and commits the result in one transaction. What other
//! nodes stored comes from the change log ([`follow_log`]), or from the [`recent`] changes in memory. The [`loader`] builds
//! texts and replicas from a snapshot and the log, and [`workers`] bound the work on large texts.
//!
//! No actor, socket or session appears here.
//!
//! Invariant: what a turn answers as stored is stored, and what it did not store is in no replica that is used again.

pub(crate) mod follow_log;
pub(crate) mod loader;
pub(crate) mod queue;
mod rebase;
pub(crate) mod recent;
mod request;
mod stage;
pub(crate) mod turn;
#[cfg(test)]
mod turn_tests;
pub(crate) mod workers;

pub use loader::LoadError;
pub use replica::{
    ApplyError, CorruptDocument, MergeBounds, MergeError, Merged, Replica, Selection,
};
pub use request::{EditError, EditKind, EditRequest, StoredEdit};
