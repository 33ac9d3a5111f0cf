//! What a session needs from the GraphQL layer.
//!
//! The session knows operation ids, limits and frames. The layer above knows the schema and implements these traits.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{
    memory::{HeldBytes, Reservation},
    metrics::OperationKind,
    room::Subscription,
    session::SessionLink,
    wire::graphql_ws::{OperationId, SubscribePayload},
};

/// The answer to a query or mutation.
#[derive(Debug)]
pub enum OperationResponse {
    /// It was executed: a GraphQL response as JSON, which may contain field errors.
    Result(HeldBytes),
    /// It was not executed: a list of GraphQL errors as JSON.
    Refused(Bytes),
}

/// A parsed operation, which can run once.
pub trait Operation: Send {
    /// Returns its kind.
    fn kind(&self) -> OperationKind;

    /// Runs a query or mutation for a session.
    ///
    /// # Cancel safety
    /// A mutation that has started continues when the future is dropped.
    fn run(self: Box<Self>, caller: Arc<SessionLink>) -> BoxFuture<'static, OperationResponse>;

    /// Takes a seat for a subscription that the client calls `tag`.
    ///
    /// # Errors
    /// A list of GraphQL errors as JSON.
    ///
    /// # Cancel safety
    /// Dropping the future gives the seat up.
    fn subscribe(
        self: Box<Self>,
        caller: Arc<SessionLink>,
        tag: OperationId,
    ) -> BoxFuture<'static, Result<Subscription, Bytes>>;
}

/// Parses operations.
pub trait Execute: Send + Sync {
    /// Parses and validates an operation. `held` is the memory of its message if that is large, which the operation keeps until
    /// it has ended.
    ///
    /// # Errors
    /// A list of GraphQL errors as JSON.
    fn prepare(
        &self,
        payload: SubscribePayload,
        held: Option<Reservation>,
    ) -> Result<Box<dyn Operation>, Bytes>;
}
