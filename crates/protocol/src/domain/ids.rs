//! Identifiers. Each has its own type, so that a user id is never used as a document id.

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
            /// Generates an identifier: a UUID of version 7 (RFC 9562, section 5.7), so that newer ones sort later.
            #[must_use]
            #[allow(clippy::new_without_default, reason = "a generated id is not a default value")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// Returns the UUID, for storage and encoding.
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
                    .map_err(|_not_a_uuid| InvalidInput::not_a_uuid($noun))
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
    /// Identifies an account.
    UserId,
    "user"
);
id!(
    /// Identifies a stored document.
    DocumentId,
    "document"
);
id!(
    /// Identifies a session: one open WebSocket.
    SessionId,
    "session"
);
id!(
    /// Identifies a server process. Each start generates a new one.
    NodeId,
    "node"
);
id!(
    /// Identifies a group of users.
    GroupId,
    "group"
);
id!(
    /// Identifies an invitation or a link to a document.
    LinkId,
    "link"
);
id!(
    /// Identifies a sign-in: all tokens that a user has got since they showed who they are.
    SignInId,
    "sign-in"
);
id!(
    /// Identifies a ticket, with which an editor opens a document once.
    TicketId,
    "ticket"
);

impl DocumentId {
    /// The id of zeros, which no document has. It stands for a document that does not exist.
    pub const NONE: Self = Self(Uuid::nil());
}
