//! The GraphQL API: what the schema says, and how it is run.
//!
//! [`Engine`] takes operations from sockets and HTTP requests, parses them once per text, and runs them against
//! the schema. Resolvers ask for access first, then `store`, `room` and `roster`. A subscription is run once to be
//! admitted to a room, and from then on its audience's renderer runs the selection, once per event for everybody.
//!
//! Invariant: every error that leaves here carries a code.

mod access;
mod admission;
mod api;
mod caller;
mod engine;
mod error;
mod history;
mod mutation;
mod operation_cache;
mod paging;
mod query;
mod render;
mod schema;
mod subscription;
mod types;
mod validation;

pub use api::Api;
pub use caller::Caller;
pub use engine::Engine;
pub(crate) use engine::was_executed;
pub use error::ApiError;
pub use schema::{Schema, sdl};
