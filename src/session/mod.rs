//! One socket.
//!
//! A [`Session`](actor::Session) actor per socket reads frames through a [`reader`] that stops when the client
//! does not take its answers, asks the pure [`gate`] and [`heartbeat`] what follows, runs operations through
//! [`Execute`], and writes to its outbox only. What resolvers and rooms may know of it is its [`SessionLink`].
//!
//! Invariant: however a session ends, its connection slot and its seats are given back at once.

mod actor;
mod admission;
mod error;
mod graphql;
mod heartbeat;
mod identity;
mod link;
mod messages;
mod options;
mod reader;
mod sessions;
mod socket;
mod throttle;
mod yjs;

pub use graphql::port::{Execute, Operation, OperationResponse};
pub use identity::{Identified, Identity, IdentityError};
pub use link::SessionLink;
pub use options::{Limits, SessionOptions};
pub use sessions::{SessionParts, Sessions};
pub use socket::{open, open_editor};
pub use throttle::{Throttle, Throttled};
pub use yjs::port::{ConversationStep, Converse, StepOutcome};
