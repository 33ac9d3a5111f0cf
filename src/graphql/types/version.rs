//! Named versions, and ranges of versions.

use async_graphql::{Context, Object, SimpleObject};

use super::{Timestamp, UserType};
use crate::{
    domain::VersionRange,
    graphql::{ApiError, loaders::loaders},
    store::NamedVersion,
};

/// A version that has a name.
pub(in crate::graphql) struct NamedVersionType(pub(in crate::graphql) NamedVersion);

/// A version that has a name. It can be read with `documentAt` and restored with `restoreDocument` for as long as it has one.
#[Object(name = "NamedVersion")]
impl NamedVersionType {
    /// The version.
    async fn version(&self) -> i64 {
        self.0.version.number()
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The user who gave it the name. Null if their account was deleted.
    async fn named_by(&self, ctx: &Context<'_>) -> Result<Option<UserType>, ApiError> {
        match self.0.named_by {
            Some(user) => Ok(Some(UserType(loaders(ctx)?.user(user).await?))),
            None => Ok(None),
        }
    }

    /// The time at which it got the name.
    async fn named_at(&self) -> Timestamp {
        Timestamp(self.0.named_at)
    }
}

/// Consecutive versions of a document.
#[derive(SimpleObject)]
#[graphql(name = "VersionRange")]
pub(in crate::graphql) struct VersionRangeType {
    /// The first version.
    from_version: i64,
    /// The last version.
    to_version: i64,
}

impl From<VersionRange> for VersionRangeType {
    fn from(range: VersionRange) -> Self {
        Self { from_version: range.from.number(), to_version: range.to.number() }
    }
}
