//! The Yjs editors in a room.
//!
//! An editor has one seat for everything: changes, who is there, and where their cursors are. It begins with what it
//! knows (a state vector) and is sent the rest ([`syncing`]); from then on each change goes to it as it was stored,
//! encoded once for all of them ([`seats`]). What editors say of themselves and who is present otherwise is one list
//! ([`awareness`], with [`clocks`] that only grow), which [`telling`] keeps true.
//!
//! Invariant: an editor is sent nothing that is not stored, and never less than everything up to the version it is at.

mod awareness;
mod clocks;
mod handle;
mod identity;
mod messages;
mod placing;
mod seats;
mod syncing;
mod telling;

pub use clocks::AWARENESS_TICK;
pub(super) use clocks::Clocks;
pub use handle::EditorHandle;
pub use messages::Words;
pub(super) use messages::{Ask, Question, Say, Synchronise, Welcome};
pub(super) use seats::Editors;
pub(super) use syncing::Beginning;
pub(super) use telling::WhoIsHere;
