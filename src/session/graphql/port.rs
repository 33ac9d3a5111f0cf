//! What a session needs from the GraphQL layer.
//!
//! The session knows operation ids, limits and frames. The layer above knows the schema and implements these traits.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{
    domain::Party,
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

/// An operation that can run, or a list of GraphQL errors as JSON.
pub type Preparation = Result<Box<dyn Operation>, Bytes>;

/// Parses operations.
pub trait Execute: Send + Sync {
    /// Returns the number of bytes that have to be parsed of a text: none of one that was parsed lately.
    fn bytes_to_parse(&self, text: &str) -> usize;

    /// Parses and validates an operation of a party. It is ready at once unless the text is long. `held` is the memory of its
    /// message if that is large, which the operation keeps until it has ended.
    fn prepare(
        &self,
        party: Party,
        payload: SubscribePayload,
        held: Option<Reservation>,
    ) -> BoxFuture<'static, Preparation>;
}
