//! The memory that large messages, answers and documents take, counted for each user and for the node.
//!
//! A [`Reservation`] grows before an answer or a message does. That of an answer ends when the socket has taken the last of its
//! bytes ([`HeldBytes`]), that of a message when its operation has ended. What would pass a bound waits or is refused before it
//! is taken. The two uses have accounts of their own ([`MemoryUse`]).
//!
//! Documents are different: a replica can be loaded again, so it gives way to others ([`DocumentMemory`]).

mod account;
mod documents;
mod exhausted;
mod held;

pub use account::{MemoryAccount, MemoryBounds, Reservation};
pub use documents::{DocumentMemory, LoadMemory, ReplicaPlace};
pub use exhausted::{MemoryExhausted, MemoryUse};
pub use held::{HeldBytes, SharedBytes, WeakBytes};
