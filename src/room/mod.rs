//! An open document on this node.
//!
//! A [`Room`](actor::Room) actor exists while somebody has the document open or changes it. Sessions take seats
//! in it; what happens comes in through a [`RoomHandle`], is decided in the pure [`state`], and goes out rendered
//! once per [`audience`] into the outbox of every seat but the author's. [`Rooms`] opens them, one per document.
//!
//! Invariant: nobody is told of a change that is not stored, and nobody sits in a room whose access was not read
//! after the seat was reserved.

mod actor;
mod awareness;
mod delivery;
mod editor_handle;
mod error;
mod handle;
mod members;
mod options;
mod relay;
mod rooms;

pub use actor::yjs_messages::EditorAwareness;
pub use awareness::clocks::AWARENESS_TICK;
pub use delivery::{
    audience::AudienceKey,
    render::{MakeRenderer, Render, RenderError},
};
pub use editor_handle::EditorHandle;
pub use error::RoomError;
pub use handle::RoomHandle;
pub use members::{
    seat::{Place, Seat, SeatEnd, SeatEnded, SeatState},
    ticket::{Guest, Ticket},
};
pub use options::RoomOptions;
pub use rooms::{RoomParts, Rooms};
