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
mod cursor_mutation;
mod cursor_template;
mod engine;
mod error;
mod error_report;
mod hourly_allowances;
mod loaders;
mod merge_advice;
mod mutation;
mod operation_cache;
mod operation_error;
mod operation_request;
mod page_length;
mod parsed_operations;
mod prepared_operation;
mod query;
mod read_turns;
mod render;
mod request_allowances;
mod schema;
mod subscription;
mod types;
mod validation;
mod variables;

pub use answer::{AnswerBounds, AnswerRefused, CopiesTooLarge};
pub use api::{Api, GuestRules, LocalAccountRules};
pub use caller::Caller;
pub use engine::Engine;
pub use error::ApiError;
pub use hourly_allowances::HourlyAllowances;
pub(crate) use operation_error::persisted_query_error;
pub use operation_request::{OperationRequest, OperationVariables};
pub use prepared_operation::{OperationAnswer, PreparedOperation};
pub use request_allowances::RequestAllowances;
pub use schema::{Schema, sdl};
