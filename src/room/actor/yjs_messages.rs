//! The orders that a room takes of editors.

use actix::prelude::*;
use serde_json::{Map, Value};

use crate::{
    domain::SessionId,
    editing::Selection,
    outbox::SeatId,
    room::{Place, RoomError},
};

/// Admit a reserved seat as an editor's.
#[derive(Message)]
#[rtype(result = "Result<(), RoomError>")]
pub(in crate::room) struct Welcome(pub(in crate::room) Place);

/// Send an editor what it misses, who knows so much of each client.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct Synchronise {
    pub(in crate::room) seat: SeatId,
    pub(in crate::room) clocks: Vec<(u64, u32)>,
}

/// Ask an editor for what it has and the document does not.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct Question(pub(in crate::room) SeatId);

/// Tell an editor who is here.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct Ask(pub(in crate::room) SeatId);

/// Take in what an editor says of itself.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct Say {
    pub(in crate::room) seat: SeatId,
    pub(in crate::room) words: EditorAwareness,
}

/// What an editor says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct EditorAwareness {
    /// The id of its client.
    pub client: u32,
    /// Its state, whatever it claims to be; none when it says nothing of itself any more.
    pub state: Option<Map<String, Value>>,
    /// Where its cursor is, if it is anywhere.
    pub selection: Option<Selection>,
    /// The session under which somebody has been told of this state: clients pass on what they hear.
    pub told_as: Option<SessionId>,
}
