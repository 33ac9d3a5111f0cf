//! The memory that answers take, counted for each user and for the node.
//!
//! A [`Reservation`] grows before an answer does, and ends when the socket has taken the last of its bytes ([`HeldBytes`]).
//! What would pass a bound is refused before it is made.

mod account;
mod held;

pub use account::{MemoryAccount, MemoryBounds, MemoryExhausted, Reservation};
pub use held::HeldBytes;
