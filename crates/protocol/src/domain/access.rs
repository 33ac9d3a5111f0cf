//! Access levels of users on documents.

use serde::{Deserialize, Serialize};

/// A user's access to one document. Each level includes the levels before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccessLevel {
    /// May read the document, be present in it and show a cursor.
    View,
    /// May also change the title and the text.
    Edit,
    /// May also delete the document and grant or revoke the access of others.
    Owner,
}

impl AccessLevel {
    /// Returns whether this level includes `needed`.
    #[must_use]
    pub fn allows(self, needed: Self) -> bool {
        self >= needed
    }
}

/// The access of a user to a document after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessChange {
    /// The level. `None` if access was revoked.
    pub level: Option<AccessLevel>,
    /// The access version of the document after the change. `None` if it is not known.
    pub access_version: Option<i64>,
}
