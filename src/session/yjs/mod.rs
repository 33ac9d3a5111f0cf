//! The part of a session that speaks y-websocket: it drives a conversation through a port that the Yjs layer implements.

pub(super) mod driver;
pub(super) mod port;
