//! The orders that a room takes.

use std::sync::Arc;

use actix::prelude::*;
use tokio::time::Instant;

use super::{AudienceKey, MakeRenderer, Order, Place, RoomError, Seat, edits::Reply};
use crate::{
    domain::{AccessLevel, Cursor, SessionId, UserId, Version},
    outbox::SeatId,
    store::Mark,
    wire::envelope::{Envelope, Sequence},
};

/// Hold a seat while its user's access is being read.
#[derive(Message)]
#[rtype(result = "Result<(), RoomError>")]
pub(super) struct Reserve(pub(super) Arc<Seat>);

/// Admit a reserved seat to an audience.
#[derive(Message)]
#[rtype(result = "Result<(), RoomError>")]
pub(super) struct Confirm {
    pub(super) place: Place,
    pub(super) key: AudienceKey,
    /// The version after which a replay begins; none: no replay.
    pub(super) since: Option<Version>,
    /// The version that the store had when access was read, if it was asked for.
    pub(super) stored: Option<Version>,
    pub(super) make: MakeRenderer,
}

/// Give a seat up.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Leave(pub(super) SeatId);

/// Take in a cursor.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Move {
    pub(super) session: SessionId,
    pub(super) cursor: Cursor,
    pub(super) accepted: Instant,
}

/// Store a change, tell everybody, and answer. The message's own result says that it was queued.
#[derive(Message)]
#[rtype(result = "Result<(), RoomError>")]
pub(super) struct Edit {
    pub(super) order: Order,
    pub(super) reply: Reply,
}

/// A user may do something else from now on; none: nothing at all.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct AccessChanged {
    pub(super) user: UserId,
    pub(super) level: Option<AccessLevel>,
}

/// Find out what the room does not know of: the store has this.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Compare(pub(super) Mark);

/// Take in what another node told.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Deliver(pub(super) Envelope);

/// See whether what is known of those on other nodes is how the roster has it.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) enum LookForOthers {
    /// One of this node's own sessions arrived, and has this place among all.
    Counted(Sequence),
    /// The roster stands there.
    IfElsewhere(Sequence),
}

/// The node is going down: finish what is being stored, then end.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Close;
