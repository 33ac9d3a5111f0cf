//! Clients: connections over `/graphql` and `/sync`, requests over HTTP, users and documents.

mod address;
mod cast;
mod editor;
mod graphql;
mod http;
mod link;
mod marker;
mod operation;
mod tokens;

pub(crate) use self::{
    address::Address,
    cast::{Cast, CastPlan},
    editor::{Editor, EditorEvent, new_doc},
    graphql::{Graphql, GraphqlEvent, OperationError},
    http::Http,
    link::LinkOptions,
    marker::Marker,
    operation::Operation,
    tokens::{TokenSource, User},
};
