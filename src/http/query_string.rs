//! The operation in the query string of a `GET` request (GraphQL over HTTP, section 5.3).
//!
//! The framework's own reader does not support `operationName`.

use actix_web::web::Query;
use serde::{Deserialize, de::DeserializeOwned};

use super::HttpError;
use crate::{
    graphql::{OperationRequest, OperationVariables},
    wire::{
        graphql_ws::{RawObject, names_persisted_query},
        json_surrogates,
    },
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OperationQuery {
    #[serde(default)]
    query: String,
    operation_name: Option<String>,
    /// JSON.
    variables: Option<String>,
    /// JSON.
    extensions: Option<String>,
}

/// Parses the operation in a query string. An empty `operationName` or `variables` counts as absent.
///
/// # Errors
/// [`HttpError::Malformed`].
pub(super) fn parse_operation(query: &str) -> Result<OperationRequest, HttpError> {
    let OperationQuery { query, operation_name, variables, extensions } = parse(query)?;
    let is_persisted = extensions.is_some_and(|json| names_persisted_query(&json));
    let variables = match variables.filter(|json| !json.is_empty()) {
        Some(json) => RawObject::parse_variables(&json_surrogates::replaced(&json))
            .map_err(|error| HttpError::Malformed(error.into_text()))?,
        None => RawObject::default(),
    };
    let operation_name = operation_name.filter(|name| !name.is_empty());
    let variables = OperationVariables::Raw(variables);
    Ok(OperationRequest { query, operation_name, variables, is_persisted })
}

/// Parses a query string.
///
/// # Errors
/// [`HttpError::Malformed`].
pub(super) fn parse<T: DeserializeOwned>(query: &str) -> Result<T, HttpError> {
    Query::from_query(query)
        .map(Query::into_inner)
        .map_err(|error| HttpError::Malformed(error.to_string()))
}
