//! The room's actor.
//!
//! [`room`] opens and closes the room and lends its document. [`handlers`] receives messages from sessions, [`remote`] handles
//! what other nodes announce and follows it, and [`reconcile`] finds what no message announced. [`commits`] and [`snapshots`]
//! store, [`compaction`] begins a new history, [`replicas`] gives the replica up, [`fan_out`] applies effects and broadcasts events, [`catch_up`] and [`yjs_sync`] send subscribers what they miss,
//! [`awareness_broadcast`] and [`cursor_translation`] connect Yjs editors and GraphQL clients. Decisions are made by the pure
//! types in the fields; the actor applies them.
//!
//! Invariant: only what is stored is broadcast, and an author is answered after the broadcast.

mod awareness_broadcast;
mod catch_up;
mod commits;
mod compaction;
mod cursor_translation;
mod fan_out;
mod handlers;
mod known_checks;
mod levels;
mod lifecycle;
pub(super) mod mailbox;
mod member_gauge;
pub(super) mod messages;
mod reconcile;
pub(super) mod registration;
pub(super) mod relayed;
mod remote;
mod remote_state;
mod replicas;
mod room;
mod snapshots;
mod stateless;
mod sync_admission;
pub(super) mod yjs_messages;
mod yjs_sync;

use std::sync::Arc;

use tracing::Span;

use self::{
    lifecycle::Lifecycle, member_gauge::MemberGauge, relayed::RelayedMoves,
    remote_state::RemoteState,
};
use super::{
    awareness::state::RoomAwareness,
    delivery::{audience::Audiences, editors::Editors},
    members::membership::Membership,
    parts::RoomsShared,
};
use crate::{domain::DocumentId, editing::open_document::OpenDocument, memory::ReplicaPlace};

/// One open document. It is declared here so that its fields are private to this folder; [`room`] implements it.
pub(super) struct Room {
    document: DocumentId,
    span: Span,
    shared: Arc<RoomsShared>,
    /// The members and seats on this node.
    members: Membership,
    member_gauge: MemberGauge,
    /// The GraphQL subscribers.
    audiences: Audiences,
    /// The Yjs editors.
    editors: Editors,
    awareness: RoomAwareness,
    /// The text, its replica and the edits that wait.
    editing: OpenDocument,
    /// What is known of other nodes.
    remote: RemoteState,
    relayed: RelayedMoves,
    replica_place: ReplicaPlace,
    lifecycle: Lifecycle,
}
