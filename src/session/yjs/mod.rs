//! Sessions of Yjs editors, over y-websocket.
//!
//! [`YjsProtocol`](protocol::YjsProtocol) drives an editor's conversation through the [`port`] that the Yjs layer
//! implements.

pub(super) mod port;
pub(super) mod protocol;
pub(super) mod seat_end;
pub(super) mod steps;
