//! The schema's types: how values of the domain look to a GraphQL client.

mod change;
mod cursor;
mod delta;
mod document;
mod history;
mod page;
mod person;
mod presence;

pub(super) use change::DocumentChangeType;
pub(super) use cursor::{CursorInput, CursorMoveType};
pub(super) use delta::{Base64, DeltaOp, DeltaOpInput};
pub(super) use document::{AccessLevelType, CollaboratorType, DocumentType};
pub(super) use history::{DocumentText, HistoryConnection};
pub(super) use page::{DocumentConnection, DocumentEdge, PageInfo};
pub(super) use person::{AccountType, AuthPayload, UserType};
pub(super) use presence::{PresenceChangeType, PresenceType};

use async_graphql::ID;
use uuid::Uuid;

/// An identifier as the schema shows it.
pub(super) fn id(uuid: Uuid) -> ID {
    ID(uuid.to_string())
}
