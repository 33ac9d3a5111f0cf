//! Groups of users, and the access that was granted to them.

use async_graphql::{ID, Object};

use super::{AccessLevelType, Timestamp, id::id};
use crate::store::{Group, GroupGrant};

/// A group of users.
pub(in crate::graphql) struct GroupType(pub(in crate::graphql) Group);

/// A group of users, as an identity provider or an application names it.
#[Object(name = "Group")]
impl GroupType {
    async fn id(&self) -> ID {
        id(self.0.id.uuid())
    }

    async fn name(&self) -> &str {
        self.0.name.name()
    }

    /// The `iss` claim of the identity provider, or the name of the application.
    async fn source(&self) -> &str {
        self.0.name.shown_source()
    }
}

/// Access that was granted to a group.
pub(in crate::graphql) struct GroupGrantType(pub(in crate::graphql) GroupGrant);

/// Access to a document that was granted to all members of a group.
#[Object(name = "GroupGrant")]
impl GroupGrantType {
    async fn group(&self) -> GroupType {
        GroupType(self.0.group.clone())
    }

    async fn level(&self) -> AccessLevelType {
        self.0.level.into()
    }

    /// The time at which the group was granted the current level.
    async fn granted_at(&self) -> Timestamp {
        Timestamp(self.0.granted_at)
    }

    /// The time at which the access ends by itself, if it does.
    async fn ends_at(&self) -> Option<Timestamp> {
        self.0.ends_at.map(Timestamp)
    }
}
