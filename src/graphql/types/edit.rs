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

/// The result of merging a Yjs update.
#[derive(SimpleObject)]
pub(in crate::graphql) struct UpdatePayload {
    /// The version that the update created. If it brought nothing new, the current version.
    version: i64,
    /// Whether new content was left out because it is not supported, such as a hook of XML. Everything else is stored. An update
    /// that is sent again has nothing new.
    left_out: bool,
}

impl UpdatePayload {
    /// Creates the result of an update after which the document is at `version`.
    pub(in crate::graphql) fn new(version: Version, left_out: bool) -> Self {
        Self { version: version.number(), left_out }
    }
}
