//! The memory that large messages and answers take, counted for each user and for the node.
//!
//! A [`Reservation`] grows before an answer or a message does. That of an answer ends when the socket has taken the last of its
//! bytes ([`HeldBytes`]), that of a message when its operation has ended. What would pass a bound waits or is refused before it
//! is taken. The two uses have accounts of their own ([`MemoryUse`]).

mod account;
mod exhausted;
mod held;

pub use account::{MemoryAccount, MemoryBounds, Reservation};
pub use exhausted::{MemoryExhausted, MemoryUse};
pub use held::HeldBytes;
