//! The Yjs side: what editors that come over y-websocket mean, and what they are answered.
//!
//! A [`Conversation`] is what a session has with one editor. It is let in by [`admission`], reads the editor's messages
//! with `wire::yjs`, gives what was written to the room as orders like any other, and puts what the room says of them
//! into the protocol's words. What is told to editors is put together in the room, once for all of them.

mod admission;
mod conversation;
mod error;
mod states;

pub use conversation::{Conversation, EditorParts};
