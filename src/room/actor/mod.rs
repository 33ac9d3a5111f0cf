//! The room's actor.
//!
//! [`room`] has the struct and its lifecycle. [`handlers`] takes the messages that sessions send, [`remote`] and
//! [`reconcile`] what other nodes did. [`commits`] stores edits and publishes them, [`catch_up`] and [`yjs_sync`] send
//! subscribers what they miss, [`awareness_broadcast`] and [`cursor_translation`] keep Yjs editors and GraphQL clients
//! informed of each other.

pub(super) mod awareness_broadcast;
mod catch_up;
mod commits;
mod cursor_translation;
mod handlers;
pub(super) mod mailbox;
pub(super) mod messages;
mod reconcile;
pub(super) mod remote;
pub(super) mod room;
pub(super) mod yjs_messages;
pub(super) mod yjs_sync;
