//! Sessions of HocuspocusProvider, with several documents on one socket.
//!
//! [`HocuspocusProtocol`](protocol::HocuspocusProtocol) authenticates the client with the first token that it sends, and opens the
//! documents that it names. Each has its own conversation, seat and [`counted_updates`], and ends without the others. The Yjs
//! layer implements the [`port`].

mod authentication;
mod counted_updates;
mod documents;
mod lifetimes;
pub(super) mod port;
pub(super) mod protocol;
mod replies;
mod stateless;
mod tokens;
