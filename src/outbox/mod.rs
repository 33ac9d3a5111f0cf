//! A session's send buffer: bounded in bytes, filled from any thread, drained by the socket.
//!
//! Rooms and the session push encoded frames through an [`Outbox`] and never wait. The connection's task takes them
//! out through the [`OutboxChunks`] and writes them to the socket. [`Queue`] decides what happens to each
//! class of frame when the subscriber is slow, without I/O and without a clock: a newer cursor replaces an older one, a
//! queued join and the leave that follows it cancel out, and changes that do not fit are replayed later.
//!
//! Invariants: frames that may be dropped, replaced or replayed never exceed the bound by more than one frame; a reply
//! is not lost while the connection lives; once it is gone, nothing is kept and every push returns `Closed`.

mod begun_frame;
mod chunks;
mod entries;
mod frame;
mod handle;
mod in_flight;
mod options;
mod outcome;
mod piece;
mod queue;
mod seat;
mod seat_frame;
mod shared;
mod totals;

pub use chunks::OutboxChunks;
pub use frame::OutboxFrame;
pub use handle::Outbox;
pub use in_flight::{InFlight, InFlightCount};
pub use options::OutboxOptions;
pub use outcome::{PushOutcome, Pushed};
pub use piece::take_piece;
pub use queue::{Beat, Closing, Queue};
pub use seat::SeatId;
pub use seat_frame::SeatFrame;
pub use totals::OutboxTotals;
