//! The GraphQL API: the schema, its resolvers, and the engine that runs operations.
//!
//! [`Engine`] receives operations from sessions and HTTP requests, parses each text once, and runs it against the
//! schema. A resolver checks the caller's access first and then calls `store`, `room` and `roster`. A subscription runs
//! once per subscriber, to be admitted to a room. From then on one [`render::Renderer`] per audience runs its selection,
//! once per event.
//!
//! Invariant: every error that leaves this module carries a code.

mod access;
mod admission;
mod answer;
mod api;
mod caller;
mod complexity;
mod engine;
mod error;
mod loaders;
mod mutation;
mod operation_cache;
mod paging;
mod parsed_operations;
mod query;
mod render;
mod schema;
mod subscription;
mod types;
mod validation;

pub use answer::{AnswerTooLarge, CopiesTooLarge};
pub use api::Api;
pub use caller::Caller;
pub use engine::{Engine, OperationAnswer};
pub use error::ApiError;
pub use schema::{Schema, sdl};
