//! The messages of a room, but for those of Yjs editors. They are commands; their handlers implement
//! [`Take`](super::mailbox::Take).

use std::sync::Arc;

use actix::prelude::*;
use tokio::time::Instant;

use crate::{
    domain::{AccessChange, Cursor, SessionId, UserId},
    editing::queue::QueuedEdit,
    outbox::SeatId,
    room::{Confirmation, RoomError, members::seat::Seat},
    store::HeadVersions,
    wire::envelope::{Envelope, Sequence},
};

/// Reserves a seat while its user's access level is being read.
#[derive(Message)]
#[rtype(result = "Result<(), RoomError>")]
pub(in crate::room) struct Reserve(pub(in crate::room) Arc<Seat>);

/// Admits a reserved seat.
#[derive(Message)]
#[rtype(result = "Result<(), RoomError>")]
pub(in crate::room) struct Confirm {
    pub(in crate::room) seat: Arc<Seat>,
    pub(in crate::room) confirmation: Confirmation,
}

/// Gives a seat up.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct Leave(pub(in crate::room) SeatId);

/// Moves a member's cursor.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct MoveCursor {
    pub(in crate::room) session: SessionId,
    pub(in crate::room) cursor: Cursor,
    /// When the move was accepted, for the delivery time.
    pub(in crate::room) accepted: Instant,
}

/// Stores an edit, broadcasts it, and answers on its reply channel. The message's own result means that it was queued.
#[derive(Message)]
#[rtype(result = "Result<(), RoomError>")]
pub(in crate::room) struct SubmitEdit(pub(in crate::room) QueuedEdit);

/// Applies a user's new access.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct ChangeAccess {
    pub(in crate::room) user: UserId,
    pub(in crate::room) access: AccessChange,
}

/// Compares the room with the versions in the store, and reads what it missed.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct CompareHead {
    /// What the store has. None if it does not have the document at all.
    pub(in crate::room) head: Option<HeadVersions>,
    /// When reading it began.
    pub(in crate::room) read_at: Instant,
}

/// Applies a message from another node.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct DeliverEnvelope(pub(in crate::room) Envelope);

/// Applies what other nodes relay and what waits in front of the mailbox.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct TakeRelayed;

/// Compares remote presence with the roster's numbers, and reads the roster if one is missing.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) enum CheckRoster {
    /// A session of this node arrived with this number.
    OwnNumber(Sequence),
    /// The roster is at this number.
    At(Sequence),
}

/// Closes the room after it has stored what it is storing: the node shuts down.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct Close;
