//! Access levels of users on documents.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{DocumentId, UserId};

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

/// The level of a user who has a document open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserLevel {
    /// The document.
    pub document: DocumentId,
    /// The user.
    pub user: UserId,
    /// Their level.
    pub level: AccessLevel,
    /// When the node learned it.
    pub at: DateTime<Utc>,
}
