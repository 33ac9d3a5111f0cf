//! Sessions of graphql-transport-ws.
//!
//! [`GraphQlProtocol`](protocol::GraphQlProtocol) asks the pure [`gate`] what a message means at this point of the
//! session, runs operations through the [`port`] that the GraphQL layer implements, and renews tokens.

pub(super) mod decoder;
pub(super) mod execution;
pub(super) mod gate;
pub(super) mod in_progress;
pub(super) mod port;
pub(super) mod protocol;
pub(super) mod renewal;
mod waiting_operations;
