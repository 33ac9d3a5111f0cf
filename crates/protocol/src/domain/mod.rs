//! The types and rules that all other parts share.
//!
//! Values are validated when they are created: a [`Title`] is never empty. Invalid input becomes an [`InvalidInput`],
//! whose message states what to do.
//!
//! No I/O, no clock, no runtime.

mod access;
mod alphabets;
mod awareness_update;
mod budget;
mod change;
mod cursor;
mod delta;
mod document;
mod document_name;
mod domain_name;
mod edit;
mod event;
#[cfg(any(test, feature = "examples"))]
pub mod examples;
mod group;
mod ids;
mod input;
mod json_size;
mod metadata;
mod origin;
mod outside_subject;
mod party;
mod password;
mod person;
mod presence;
mod sign_in;
mod version_name;
mod visible_text;

pub use access::{AccessChange, AccessLevel, UserLevel};
pub use awareness_update::AwarenessUpdate;
pub use budget::{Budget, Exhausted};
pub use change::{Change, ChangeKind, Version, VersionRange};
pub use cursor::{Cursor, Position};
pub use delta::{
    CompareUntil, Content, Delta, DeltaMismatch, DeltaStep, EmbeddedObject, Op, TextFormats, Tie,
};
pub use document::{Collaborator, Document, Text, Title};
pub use document_name::{DocumentKey, DocumentName};
pub use edit::{EditId, Fingerprint};
pub use event::{CursorMove, Event, PresenceChange, PresenceChangeKind, Topic};
pub use group::GroupName;
pub use ids::{DocumentId, GroupId, LinkId, NodeId, SessionId, SignInId, TicketId, UserId};
pub use input::InvalidInput;
pub use metadata::{Metadata, MetadataLabel};
pub use origin::Origin;
pub use outside_subject::OutsideSubject;
pub use party::{Network, Party};
pub use password::normalized_password;
pub use person::{Account, DisplayName, Email, User};
pub use presence::{Color, Presence};
pub use sign_in::{EndedSignIns, KeptSession, SignIn, TokenIssuer};
pub use version_name::VersionName;
