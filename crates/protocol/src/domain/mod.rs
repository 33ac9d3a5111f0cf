//! Names and rules that every other part speaks: no I/O, no clock, no runtime.
//!
//! A value of these types has been checked when it was made; whoever holds a [`Title`] need not ask
//! whether it is empty. Wrong input becomes an [`InvalidInput`], in words that a user can act on.

mod access;
mod awareness_update;
mod change;
mod cursor;
mod delta;
mod document;
mod edit;
mod event;
#[cfg(any(test, feature = "examples"))]
pub mod examples;
mod ids;
mod input;
mod origin;
mod person;
mod presence;

pub use access::AccessLevel;
pub use awareness_update::AwarenessUpdate;
pub use change::{Change, ChangeKind, Version};
pub use cursor::{Cursor, Position};
pub use delta::{Content, Delta, DeltaMismatch, DeltaStep, Op, Tie};
pub use document::{Collaborator, Document, Text, Title};
pub use edit::{EditId, Fingerprint};
pub use event::{CursorMove, Event, PresenceChange, PresenceChangeKind, Topic};
pub use ids::{DocumentId, NodeId, SessionId, UserId};
pub use input::InvalidInput;
pub use origin::Origin;
pub use person::{Account, DisplayName, Email, User};
pub use presence::{Color, Presence};
