//! The types of the schema, as views of domain values.

mod body;
mod change;
mod cursor;
mod delta;
mod difference;
mod document;
mod edit;
mod export;
mod group;
mod history;
mod id;
mod json;
mod level;
mod link;
mod link_visitor;
mod node;
mod page;
mod passage;
mod person;
mod presence;
mod ticket;
mod timestamp;
mod usage;
mod version;

pub(super) use body::BodyKindType;
pub(super) use change::DocumentChangeType;
pub(super) use cursor::{CursorInput, CursorMoveType};
pub(super) use delta::{Base64, DeltaOp, DeltaOpInput};
pub(super) use difference::DifferenceType;
pub(super) use document::{AccessLevelType, CollaboratorType, DocumentType};
pub(super) use edit::{EditPayload, UpdatePayload};
pub(super) use export::DocumentExport;
pub(super) use group::{GroupGrantType, GroupType};
pub(super) use history::{DocumentText, HistoryConnection};
pub(super) use json::{JsonObject, JsonValue};
pub(super) use level::AccessEventType;
pub(super) use link::{LinkType, NewLinkPayload};
pub(super) use link_visitor::LinkVisitorConnection;
pub(super) use node::NodeType;
pub(super) use page::{
    DocumentConnection, DocumentEdge, DocumentFilterType, DocumentOrderType, PageInfo,
};
pub(super) use passage::PassageListType;
pub(super) use person::{AccountType, AuthPayload, UserType};
pub(super) use presence::{PresenceChangeType, PresenceType};
pub(super) use ticket::TicketPayload;
pub(super) use timestamp::Timestamp;
pub(super) use usage::{HistoryDeletion, UsageType};
pub(super) use version::{NamedVersionType, VersionRangeType};
