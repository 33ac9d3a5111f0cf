//! The messages of y-websocket, and the validation of Yjs updates before the library decodes them.
//!
//! [`parse`] decodes a binary message into [`EditorMessage`]s, and [`awareness`] its entries. [`Outline`] lists the
//! structs of an update, with their ids, lengths and parents, without building them, and [`Depths`] limits the nesting of
//! shared types. So an update of a few bytes that announces gigabytes, or nests without end, is rejected as bytes.
//! [`Outline::insertion_parts`] and [`Outline::deletion_parts`] divide an update, [`ConflictBound`] and
//! [`ConflictGrowth`] bound the work of inserting its structs, and [`Outline::supported`] replaces content that the server
//! cannot keep, and wraps subdocuments, which [`for_clients`] unwraps. [`FormatCopies`] bounds the work of reading formats.
//!
//! Sources: y-protocols `PROTOCOL.md` for the messages, lib0 and Yjs 13 (update format 1) for the encodings.

pub mod awareness;
mod conflict_growth;
mod conflicts;
mod deletions;
mod depths;
mod format_copies;
mod item_content;
mod lib0;
mod message;
mod outline;
mod outline_counts;
mod parts;
mod renamed_client;
mod subdocuments;
mod unsupported;
mod update_struct;

pub use conflict_growth::{ConflictGrowth, RootEntries};
pub use conflicts::ConflictBound;
pub use deletions::DeletionPart;
pub use depths::Depths;
pub use format_copies::{FormatCopies, FormatGrowth};
pub(super) use lib0::Lib0Reader;
pub use lib0::Malformed;
pub use message::{
    ClientClocks, EditorMessage, encode_state_vector, parse, permission_denied, saved, scope,
    sync_step_1, sync_step_2, update,
};
pub use outline::{Outline, OutlineError};
pub use parts::InsertionPart;
pub use subdocuments::{WrappedSubdocument, count_subdocuments, for_clients};
pub use unsupported::SupportedUpdate;

/// The largest client id that Yjs assigns. The server uses larger ones for history marks.
pub const MAX_CLIENT: u64 = u32::MAX as u64;

/// The name of the root type that only the server writes.
pub const SERVER_ROOT: &str = "coscribe";
