//! An open document on this node.
//!
//! A [`Room`](actor::Room) actor exists while somebody has the document open or changes it. Sessions take seats
//! in it; what happens comes in through a [`RoomHandle`], is decided in the pure [`state`], and goes out rendered
//! once per [`audience`] into the outbox of every seat but the author's. [`Rooms`] opens them, one per document.
//!
//! Invariant: nobody is told of a change that is not stored, and nobody sits in a room whose access was not read
//! after the seat was reserved.

mod actor;
mod arriving;
mod audience;
mod batch;
#[cfg(test)]
mod batch_tests;
mod benches;
mod catch_up;
mod comparing;
mod editors;
mod edits;
mod error;
mod following;
mod handle;
mod mailbox;
mod merging;
mod messages;
mod options;
mod order;
mod others;
mod pointing;
mod rebase;
mod recent;
mod relayed;
mod render;
mod replica;
mod rooms;
mod seat;
mod staging;
mod state;
#[cfg(test)]
mod state_tests;
mod storing;
mod taking;
mod texts;
mod ticket;

pub use audience::AudienceKey;
pub use editors::{AWARENESS_TICK, EditorHandle, Words};
pub use error::RoomError;
pub use handle::RoomHandle;
pub use merging::{MergeBounds, Merged, Unmergeable};
pub use options::RoomOptions;
pub use order::{EditError, Order, Stored, Wish};
pub use pointing::Selection;
pub use render::{MakeRenderer, Render, RenderError};
pub use replica::{Corrupt, Refused, Replica};
pub use rooms::{RoomParts, Rooms};
pub use seat::{Place, Seat, SeatEnd, SeatEnded, SeatState};
pub use texts::TextError;
pub use ticket::{Guest, Ticket};
