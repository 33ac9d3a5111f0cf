//! How other parts speak to a room.

use std::{future::Future, sync::Arc};

use actix::{Addr, MailboxError, dev::SendError};
use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};

use super::{
    Confirmation, EditorAwareness, RoomError, Seat,
    actor::{
        Room,
        mailbox::{Queued, Take, WaitingMessages},
        messages::{
            ChangeAccess, CheckRoster, Close, CompareHead, Confirm, DeliverEnvelope, Leave,
            MoveCursor, Reserve, SubmitEdit, TakeRelayed,
        },
        relayed::{RelayedMove, RelayedMoves},
        yjs_messages::{
            CheckKnown, SendAwareness, SendStateless, SendStep1, SendStep2, UpdateAwareness,
        },
    },
    delivery::editors::{KnownCheck, KnownContent},
};
use crate::{
    domain::{AccessChange, Cursor, SessionId, UserId},
    editing::{
        EditRequest,
        queue::{QueuedEdit, Reception},
    },
    metrics::{ActorKind, Metrics},
    outbox::SeatId,
    store::HeadVersions,
    wire::{envelope::Envelope, yjs::ClientClocks},
};

/// A room, as other parts use it. Cheap to clone; it does not keep the room open.
#[derive(Clone)]
pub struct RoomHandle {
    address: Addr<Room>,
    metrics: Metrics,
    waiting: WaitingMessages,
    relayed: RelayedMoves,
}

impl RoomHandle {
    /// Returns a handle of a room whose mailbox holds `capacity` messages, and which takes `relayed`.
    pub(super) fn new(
        address: Addr<Room>,
        metrics: Metrics,
        capacity: usize,
        relayed: RelayedMoves,
    ) -> Self {
        Self { address, metrics, waiting: WaitingMessages::new(capacity), relayed }
    }

    /// Reserves a seat. Read the user's access level next, then [`confirm`](Self::confirm).
    ///
    /// # Errors
    /// [`RoomError::Closed`], [`RoomError::Unavailable`].
    pub(super) async fn reserve(&self, seat: Arc<Seat>) -> Result<(), RoomError> {
        self.address.send(self.queued(Reserve(seat))).await.unwrap_or_else(closed)
    }

    /// Confirms a reserved seat.
    ///
    /// # Errors
    /// [`RoomError::SeatVoided`] if access was revoked since it was reserved, [`RoomError::SinceInFuture`],
    /// [`RoomError::Closed`].
    pub(super) async fn confirm(
        &self,
        seat: Arc<Seat>,
        confirmation: Confirmation,
    ) -> Result<(), RoomError> {
        let confirm = Confirm { seat, confirmation };
        self.address.send(self.queued(confirm)).await.unwrap_or_else(closed)
    }

    /// Gives a seat up. Never lost: if the mailbox is full, a task waits for a place.
    pub(super) fn leave(&self, seat: SeatId) {
        let Err(error) = self.address.try_send(self.queued(Leave(seat))) else { return };
        if let (SendError::Full(leave), Ok(runtime)) =
            (error, tokio::runtime::Handle::try_current())
        {
            let send = self.address.send(leave);
            runtime.spawn(async move {
                if let Err(MailboxError::Timeout) = send.await {
                    tracing::error!("a seat could not be given up in time");
                }
            });
        }
    }

    /// Moves a member's cursor. Dropped if the mailbox is full: the next move replaces it anyway.
    pub(super) fn move_cursor(&self, session: SessionId, cursor: Cursor) {
        self.try_send(MoveCursor { session, cursor, accepted: Instant::now() });
    }

    /// Submits an edit. Returns where its answer arrives. An answer that does not arrive is
    /// [`EditError::Unanswered`](crate::editing::EditError::Unanswered).
    ///
    /// # Errors
    /// [`RoomError::Closed`]: the room closed before it took the edit, which may be given to a new room.
    pub(super) async fn submit(&self, request: EditRequest) -> Result<Reception, RoomError> {
        let (reply, answer) = oneshot::channel();
        let submit = SubmitEdit(QueuedEdit { request, reply });
        self.address.send(self.queued(submit)).await.unwrap_or_else(closed)?;
        Ok(answer)
    }

    /// Applies a user's new access. The message takes its place in the mailbox now. When the
    /// future completes, a revoked user's subscriptions have ended.
    pub(super) fn change_access(
        &self,
        user: UserId,
        access: AccessChange,
    ) -> impl Future<Output = ()> + use<> {
        let sent = self.address.send(self.queued(ChangeAccess { user, access }));
        async move {
            // A room that has closed has no seats left.
            if sent.await.is_err() {
                tracing::debug!("the room closed before an access level changed");
            }
        }
    }

    /// Sends sync step 2 to a Yjs editor.
    pub(super) async fn send_step_2(&self, seat: SeatId, state_vector: ClientClocks) {
        if self.address.send(self.queued(SendStep2 { seat, state_vector })).await.is_err() {
            tracing::debug!("the room closed before it sent a sync step 2");
        }
    }

    /// Sends sync step 1 to a Yjs editor.
    pub(super) async fn send_step_1(&self, seat: SeatId) {
        if self.address.send(self.queued(SendStep1(seat))).await.is_err() {
            tracing::debug!("the room closed before it sent a sync step 1");
        }
    }

    /// Returns what the document has if it has everything in these updates of a reader. `None` as well if the seat ends
    /// meanwhile.
    pub(super) async fn find_known(
        &self,
        seat: SeatId,
        updates: Vec<Bytes>,
    ) -> Option<KnownContent> {
        let (reply, answer) = oneshot::channel();
        let check = CheckKnown { seat, check: KnownCheck { updates, reply } };
        if self.address.send(self.queued(check)).await.is_err() {
            tracing::debug!("the room closed before it checked the updates of a reader");
        }
        answer.await.ok().flatten()
    }

    /// Sends every awareness entry to a Yjs editor.
    pub(super) async fn send_awareness(&self, seat: SeatId) {
        if self.address.send(self.queued(SendAwareness(seat))).await.is_err() {
            tracing::debug!("the room closed before it sent its awareness");
        }
    }

    /// Applies the awareness state of a Yjs editor. Dropped if the mailbox is full.
    pub(super) fn update_awareness(&self, seat: SeatId, awareness: EditorAwareness) {
        self.try_send(UpdateAwareness { seat, awareness });
    }

    /// Sends a message of a page to the others. Dropped if the mailbox is full.
    pub(super) fn send_stateless(&self, seat: SeatId, payload: Arc<str>) {
        self.try_send(SendStateless { seat, payload });
    }

    /// Compares the room with what the store had at `read_at`, or later. Returns false if the mailbox is full.
    pub(super) fn compare(&self, head: Option<HeadVersions>, read_at: Instant) -> bool {
        self.try_send(CompareHead { head, read_at })
    }

    /// Delivers a message from another node. Returns false if the mailbox is full: the room must be compared later.
    pub(super) fn deliver(&self, envelope: Envelope) -> bool {
        let relayed = match envelope {
            Envelope::CursorMoved(moved) => RelayedMove::Cursor(moved),
            Envelope::AwarenessUpdated(update) => RelayedMove::Awareness(update),
            envelope => return self.try_send(DeliverEnvelope(envelope)),
        };
        if !self.relayed.add(relayed) || self.try_send(TakeRelayed) {
            return true;
        }
        self.relayed.announcement_failed();
        false
    }

    /// Compares remote presence with the roster. Returns false if the mailbox is full.
    pub(super) fn check_roster(&self, check: CheckRoster) -> bool {
        self.try_send(check)
    }

    /// Closes the room after it has stored what it is storing.
    pub(super) async fn close(&self) {
        if self.address.send(self.queued(Close)).await.is_err() {
            tracing::debug!("the room had closed already");
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.address.connected()
    }

    /// Sends a message unless the mailbox is full, which is counted. A room that has closed needs no message.
    fn try_send<M>(&self, message: M) -> bool
    where
        M: actix::Message<Result = ()> + Send + 'static,
        Room: Take<M>,
    {
        if !self.waiting.is_full() {
            match self.address.try_send(self.queued(message)) {
                Ok(()) | Err(SendError::Closed(_)) => return true,
                Err(SendError::Full(_)) => {}
            }
        }
        self.metrics.mailbox_full(ActorKind::Room);
        false
    }

    fn queued<M>(&self, message: M) -> Queued<M> {
        Queued::new(message, &self.metrics, &self.waiting)
    }
}

fn closed(_error: MailboxError) -> Result<(), RoomError> {
    Err(RoomError::Closed)
}
