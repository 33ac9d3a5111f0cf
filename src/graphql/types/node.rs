//! Objects that clients fetch again by their ids (GraphQL Global Object Identification Specification).

use async_graphql::{ID, Interface};

use super::{DocumentType, UserType};

/// An object that `node` finds by its id. An `Account` has the id of its user, so it is not one of its own.
#[derive(Interface)]
#[graphql(
    name = "Node",
    field(name = "id", ty = "ID", desc = "The id. No other document or user has the same.")
)]
pub(in crate::graphql) enum NodeType {
    /// A document.
    Document(Box<DocumentType>),
    /// A user.
    User(UserType),
}
