//! The Yjs side: what the messages of Yjs editors mean, over y-websocket or HocuspocusProvider.
//!
//! A [`Conversation`] belongs to one editor's session, which drives it. It takes the editor's seat ([`admission`]),
//! collects messages that `wire::yjs` has parsed ([`pending_messages`]), sends updates to the room as edit requests
//! ([`commit`]) and turns the results into replies and close reasons ([`error`]). The room builds the frames that go to all
//! editors.
//!
//! Invariant: an editor's updates are committed in the order of their arrival, one request at a time.

mod admission;
mod commit;
mod conversation;
mod error;
mod pending_messages;
mod resync;
mod states;
mod stored_updates;
mod unstored_log;

pub use conversation::{Conversation, EditorParts, PageEditors};
pub use unstored_log::UnstoredLog;
