//! The part of a session that speaks graphql-transport-ws: what a message means at this point, and the operations that run.

pub(super) mod execution;
pub(super) mod gate;
pub(super) mod in_progress;
pub(super) mod port;
