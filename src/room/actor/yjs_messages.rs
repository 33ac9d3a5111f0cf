//! The messages that a room receives from the sessions of Yjs editors.

use std::sync::Arc;

use actix::prelude::*;

use crate::{
    outbox::SeatId,
    room::{EditorAwareness, delivery::editors::KnownCheck},
    wire::yjs::ClientClocks,
};

/// Sends an editor everything missing from its state vector (sync step 2).
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct SendStep2 {
    pub(in crate::room) seat: SeatId,
    /// Client ids and clocks.
    pub(in crate::room) state_vector: ClientClocks,
}

/// Asks an editor for what the document does not have (sync step 1).
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct SendStep1(pub(in crate::room) SeatId);

/// Answers whether the document has everything in the updates of a reader.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct CheckKnown {
    pub(in crate::room) seat: SeatId,
    pub(in crate::room) check: KnownCheck,
}

/// Sends an editor every awareness entry.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct SendAwareness(pub(in crate::room) SeatId);

/// Applies and broadcasts an editor's awareness state.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct UpdateAwareness {
    pub(in crate::room) seat: SeatId,
    pub(in crate::room) awareness: EditorAwareness,
}

/// Sends what the page of an editor says to everyone else who has the document open over Hocuspocus.
#[derive(Message)]
#[rtype(result = "()")]
pub(in crate::room) struct SendStateless {
    pub(in crate::room) seat: SeatId,
    pub(in crate::room) payload: Arc<str>,
}
