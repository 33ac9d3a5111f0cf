//! Identifiers.

use async_graphql::ID;
use uuid::Uuid;

/// Returns an identifier as the schema represents it.
pub(super) fn id(uuid: Uuid) -> ID {
    ID(uuid.to_string())
}
