//! What Yjs editors speak: the messages of y-websocket (y-protocols), and the parts of Yjs's own encodings that have to
//! be looked at before a library is let near them.
//!
//! [`parse`] takes a binary message apart into [`EditorMessage`]s; [`awareness`] reads and writes who is there. An
//! [`Outline`] says what an update consists of, without making any of it: how many structs, whose, what they hang on,
//! and how deep they nest. So a few bytes that announce gigabytes, or nest for ever, are refused while they are bytes.
//!
//! Sources: y-protocols PROTOCOL.md for the messages; the encodings are those of lib0 and of Yjs 13, update format 1.

pub mod awareness;
mod depths;
mod lib0;
mod message;
mod outline;

pub use depths::Depths;
pub use lib0::Malformed;
pub use message::{
    EditorMessage, MAX_STATE_VECTOR, parse, permission_denied, saved, state_vector, sync_step_1,
    sync_step_2, update,
};
pub use outline::{Outline, OutlineError};

/// Ids of clients that are larger than this are no client's: the server marks histories with them.
pub const MAX_CLIENT: u64 = u32::MAX as u64;
