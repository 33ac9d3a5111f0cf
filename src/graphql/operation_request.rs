//! A request to run an operation, as an interface has decoded it.

use async_graphql::{Request, Value, Variables};

use crate::wire::graphql_ws::{RawObject, SubscribePayload};

/// An operation that a client asks for.
pub struct OperationRequest {
    /// The GraphQL document, not parsed.
    pub query: String,
    /// The name of the operation to execute, if the document has several.
    pub operation_name: Option<String>,
    /// The values of its variables.
    pub variables: OperationVariables,
    /// Whether it names a persisted query. The server stores none.
    pub is_persisted: bool,
}

/// Variables as an interface has decoded them.
pub enum OperationVariables {
    /// JSON, which is decoded once the operation is checked.
    Raw(RawObject),
    /// Values. They are few.
    Decoded(Variables),
}

impl From<SubscribePayload> for OperationRequest {
    fn from(payload: SubscribePayload) -> Self {
        let SubscribePayload { query, operation_name, variables, is_persisted, .. } = payload;
        let variables = OperationVariables::Raw(variables);
        Self { query, operation_name, variables, is_persisted }
    }
}

impl From<Request> for OperationRequest {
    fn from(Request { query, operation_name, variables, extensions, .. }: Request) -> Self {
        let named = extensions.get("persistedQuery");
        let is_persisted = named.is_some_and(|named| *named != Value::Null);
        let variables = OperationVariables::Decoded(variables);
        Self { query, operation_name, variables, is_persisted }
    }
}
