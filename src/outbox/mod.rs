//! A session's send buffer: bounded in bytes, filled from any thread, drained by the socket.
//!
//! Rooms and the session itself push whole encoded frames through an [`Outbox`] and never wait; the connection's
//! task takes them out through the [`OutboxBody`], which is the response body of the upgrade. What gives way when
//! the reader is slow is decided in [`Queue`], without I/O and without a clock: a newer cursor replaces an older
//! one, an arrival and a departure that both still wait cancel out, and changes that do not fit are sent again later.
//!
//! Invariant: what may give way never takes more than the bound and one frame; a reply is never lost while the
//! connection lives; and once the connection is gone nothing is kept and every push is answered with `Closed`.

mod body;
mod entries;
mod handle;
mod in_flight;
mod options;
mod queue;
mod seat;
mod totals;

pub use body::OutboxBody;
pub use handle::Outbox;
pub use in_flight::{InFlight, InFlightCount};
pub use options::OutboxOptions;
pub use queue::{Beat, Closing, PushOutcome, Pushed, Queue};
pub use seat::SeatId;
pub use totals::OutboxTotals;
