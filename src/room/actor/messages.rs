//! The orders that a room takes.

use std::sync::Arc;

use actix::prelude::*;
use tokio::time::Instant;

use crate::{
    domain::{AccessLevel, Cursor, SessionId, UserId, Version},
    editing::{EditRequest, queue::Reply},
    outbox::SeatId,
    room::{AudienceKey, MakeRenderer, Place, RoomError, Seat},
    store::HeadVersions,
    wire::envelope::{Envelope, Sequence},
};

/// Hold a seat while its user's access is being read.
#[derive(Message)]
#[rtype(result = "Result<(), RoomError>")]
pub(in crate::room) struct Reserve(pub(in crate::room) Arc<Seat>);

/// Admit a reserved seat to an audience.
#[derive(Message)]
#[rtype(result = "Result<(), RoomError>")]
pub(in crate::room) struct Confirm {
    pub(in crate::room) place: Place,
    pub(in crate::room) key: AudienceKey,
    /// The version after which a replay begins; none: no replay.
    pub(in crate::room) since: Option<Version>,
    /// The version that the store had when access was read, if it was asked for.
    pub(in crate::room) stored: Option<Version>,
    pub(in crate::room) make: MakeRenderer,
}

/// Give a seat up.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct Leave(pub(in crate::room) SeatId);

/// Take in a cursor.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct Move {
    pub(in crate::room) session: SessionId,
    pub(in crate::room) cursor: Cursor,
    pub(in crate::room) accepted: Instant,
}

/// Store a change, tell everybody, and answer. The message's own result says that it was queued.
#[derive(Message)]
#[rtype(result = "Result<(), RoomError>")]
pub(in crate::room) struct Edit {
    pub(in crate::room) order: EditRequest,
    pub(in crate::room) reply: Reply,
}

/// A user may do something else from now on; none: nothing at all.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct AccessChanged {
    pub(in crate::room) user: UserId,
    pub(in crate::room) level: Option<AccessLevel>,
}

/// Find out what the room does not know of: the store has this.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct Compare(pub(in crate::room) HeadVersions);

/// Take in what another node told.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct DeliverEnvelope(pub(in crate::room) Envelope);

/// See whether what is known of those on other nodes is how the roster has it.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) enum LookForOthers {
    /// One of this node's own sessions arrived, and has this place among all.
    Counted(Sequence),
    /// The roster stands there.
    IfElsewhere(Sequence),
}

/// The node is going down: finish what is being stored, then end.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct Close;
