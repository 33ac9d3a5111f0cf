//! Who may do what with a document.

use serde::{Deserialize, Serialize};

/// A user's rights on one document; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AccessLevel {
    /// May read, be present and show a cursor.
    View,
    /// May also change title and text.
    Edit,
    /// May also delete the document and decide who else has access.
    Owner,
}

impl AccessLevel {
    /// Whether this level includes `needed`.
    #[must_use]
    pub fn allows(self, needed: Self) -> bool {
        self >= needed
    }
}
