//! Events on the caller's own access level.

use std::sync::Arc;

use async_graphql::{ID, Object};

use super::{AccessLevelType, Timestamp, id::id};
use crate::domain::UserLevel;

/// The access level of a subscriber.
pub(in crate::graphql) struct AccessEventType(pub(in crate::graphql) Arc<UserLevel>);

/// The caller's access level on a document, now or after a change.
#[Object(name = "AccessEvent")]
impl AccessEventType {
    async fn document_id(&self) -> ID {
        id(self.0.document.uuid())
    }

    /// The level from now on.
    async fn access(&self) -> AccessLevelType {
        self.0.level.into()
    }

    /// When the server applied the level.
    async fn changed_at(&self) -> Timestamp {
        Timestamp(self.0.at)
    }
}
