//! What a session needs from those who know the schema.
//!
//! The session knows ids, limits and frames; what an operation means is the business of the floor above, which
//! implements these traits.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{
    metrics::OperationKind,
    room::Subscription,
    session::SessionLink,
    wire::graphql_ws::{OperationId, SubscribePayload},
};

/// What came of a query or mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationResponse {
    /// It was executed: a GraphQL response as JSON, field errors included.
    Result(Bytes),
    /// It was not executed: a list of GraphQL errors as JSON.
    Refused(Bytes),
}

/// An operation that has been parsed, and can be run once.
pub trait Operation: Send {
    /// What it does.
    fn kind(&self) -> OperationKind;

    /// Runs a query or mutation for a session. A mutation that has begun goes on when the future is dropped.
    fn run(self: Box<Self>, caller: Arc<SessionLink>) -> BoxFuture<'static, OperationResponse>;

    /// Takes a seat for a subscription, which the client calls `tag`. The errors are a list of GraphQL errors.
    fn subscribe(
        self: Box<Self>,
        caller: Arc<SessionLink>,
        tag: OperationId,
    ) -> BoxFuture<'static, Result<Subscription, Bytes>>;
}

/// Prepares and runs operations.
pub trait Execute: Send + Sync {
    /// Parses an operation.
    ///
    /// # Errors
    /// A list of GraphQL errors as JSON.
    fn prepare(&self, payload: SubscribePayload) -> Result<Box<dyn Operation>, Bytes>;
}
