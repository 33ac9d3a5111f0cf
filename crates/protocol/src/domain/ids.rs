//! Identifiers, one type each, so that a user is never looked up as a document.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::InvalidInput;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $noun:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh identifier: UUID version 7 (RFC 9562, section 5.7), so that newer ones sort later.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a new id is a new thing, not a default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The plain UUID, for storage and encoding.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(uuid: Uuid) -> Self {
                Self(uuid)
            }
        }

        impl FromStr for $name {
            type Err = InvalidInput;

            fn from_str(text: &str) -> Result<Self, InvalidInput> {
                Uuid::from_str(text)
                    .map(Self)
                    .map_err(|_not_a_uuid| InvalidInput::identifier($noun))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// One account.
    UserId,
    "user"
);
id!(
    /// One stored document.
    DocumentId,
    "document"
);
id!(
    /// One socket, for as long as it lives.
    SessionId,
    "session"
);
id!(
    /// One process: another one each time it starts.
    NodeId,
    "node"
);
