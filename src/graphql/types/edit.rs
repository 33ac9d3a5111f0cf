//! The result of an edit.

use async_graphql::SimpleObject;

use crate::domain::Version;

/// The result of an edit.
#[derive(SimpleObject)]
pub(in crate::graphql) struct EditPayload {
    /// The version that the edit created. If the edit changed nothing, the current version.
    version: i64,
}

impl EditPayload {
    /// Creates the result of an edit after which the document is at `version`.
    pub(in crate::graphql) fn at(version: Version) -> Self {
        Self { version: version.number() }
    }
}
