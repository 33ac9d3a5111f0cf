//! How other parts speak to a room.

use std::{future::Future, sync::Arc};

use actix::{Addr, MailboxError, dev::SendError};
use tokio::{sync::oneshot, time::Instant};

use super::{
    EditorAwareness, Place, RoomError, Seat,
    actor::{
        mailbox::{Queued, Take},
        messages::{
            AccessChanged, Close, Compare, Confirm, DeliverEnvelope, Edit, Leave, LookForOthers,
            Move, Reserve,
        },
        room::Room,
        yjs_messages::{Ask, Question, Say, Synchronise, Welcome},
    },
};
use crate::{
    domain::{AccessLevel, Cursor, SessionId, UserId},
    editing::{EditError, EditRequest, StoredEdit},
    metrics::{ActorKind, Metrics},
    outbox::SeatId,
    store::HeadVersions,
    wire::envelope::Envelope,
};

/// A room, as others see it. Cheap to clone; it does not keep the room open.
#[derive(Clone)]
pub struct RoomHandle {
    address: Addr<Room>,
    metrics: Metrics,
}

impl RoomHandle {
    pub(super) fn new(address: Addr<Room>, metrics: Metrics) -> Self {
        Self { address, metrics }
    }

    /// Holds a seat; read the user's access after this, then confirm.
    ///
    /// # Errors
    /// [`RoomError::Closed`].
    pub async fn reserve(&self, seat: Arc<Seat>) -> Result<(), RoomError> {
        self.address.send(self.queued(Reserve(seat))).await.unwrap_or_else(closed)
    }

    /// Admits a reserved seat to its audience.
    ///
    /// # Errors
    /// [`RoomError::SeatVoided`] when access was revoked since it was reserved, [`RoomError::SinceInFuture`],
    /// [`RoomError::Closed`].
    pub(super) async fn confirm(&self, confirm: Confirm) -> Result<(), RoomError> {
        self.address.send(self.queued(confirm)).await.unwrap_or_else(closed)
    }

    /// Admits a reserved seat as an editor's.
    ///
    /// # Errors
    /// [`RoomError::SeatVoided`] when access was revoked since it was reserved, [`RoomError::Closed`].
    pub(super) async fn welcome(&self, place: Place) -> Result<(), RoomError> {
        self.address.send(self.queued(Welcome(place))).await.unwrap_or_else(closed)
    }

    /// Has everything sent that an editor misses.
    pub(super) async fn synchronise(&self, seat: SeatId, clocks: Vec<(u64, u32)>) {
        let sent = self.address.send(self.queued(Synchronise { seat, clocks }));
        if sent.await.is_err() {
            tracing::debug!("the room had closed before it was asked for what is missing");
        }
    }

    /// Has an editor asked for what it has and the document does not.
    pub(super) async fn question(&self, seat: SeatId) {
        if self.address.send(self.queued(Question(seat))).await.is_err() {
            tracing::debug!("the room had closed before it was to ask an editor");
        }
    }

    /// Has everybody sent who is here.
    pub(super) async fn ask(&self, seat: SeatId) {
        if self.address.send(self.queued(Ask(seat))).await.is_err() {
            tracing::debug!("the room had closed before it was asked who is there");
        }
    }

    /// Takes in what an editor says of itself. When the mailbox is full it is dropped.
    pub(super) fn say(&self, seat: SeatId, words: EditorAwareness) {
        self.try_give(Say { seat, words });
    }

    /// Gives a seat up. Never lost: when the mailbox is full, a task waits for its turn.
    pub fn leave(&self, seat: SeatId) {
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

    /// Takes in a cursor. When the mailbox is full it is dropped: the next one says where the cursor is by then.
    pub fn move_cursor(&self, session: SessionId, cursor: Cursor) {
        let order = Move { session, cursor, accepted: Instant::now() };
        if let Err(SendError::Full(_)) = self.address.try_send(self.queued(order)) {
            self.metrics.mailbox_full(ActorKind::Room);
        }
    }

    /// Stores a change and tells everybody. The answer means: stored.
    ///
    /// # Errors
    /// [`RoomError::Closed`]: the room had closed before it took the order, which can be given to a new one. Inside,
    /// [`EditError`]: nothing was stored, but for [`EditError::Unanswered`] and [`EditError::Unknown`], where that is
    /// not known.
    pub async fn edit(
        &self,
        order: EditRequest,
    ) -> Result<Result<StoredEdit, EditError>, RoomError> {
        let (reply, answer) = oneshot::channel();
        self.address.send(self.queued(Edit { order, reply })).await.unwrap_or_else(closed)?;
        Ok(answer.await.unwrap_or(Err(EditError::Unanswered)))
    }

    /// Tells the room that a user's access changed; when it returns, a revoked user's streams have ended.
    pub fn access_changed(
        &self,
        user: UserId,
        level: Option<AccessLevel>,
    ) -> impl Future<Output = ()> + use<> {
        // On its way before the answer is waited for.
        let sent = self.address.send(self.queued(AccessChanged { user, level }));
        async move {
            // A room that has closed has no seats left to take away.
            if sent.await.is_err() {
                tracing::debug!("the room had closed before it heard of a change of access");
            }
        }
    }

    /// Says what the store has. False when the mailbox is full.
    pub(super) fn compare(&self, mark: HeadVersions) -> bool {
        self.try_give(Compare(mark))
    }

    /// Hands on what another node told. False when the mailbox is full: then the room has to compare later.
    pub(super) fn deliver(&self, envelope: Envelope) -> bool {
        self.try_give(DeliverEnvelope(envelope))
    }

    /// Has the room see whether it knows who sits on other nodes. False when the mailbox is full.
    pub(super) fn look_for_others(&self, order: LookForOthers) -> bool {
        self.try_give(order)
    }

    fn try_give<M>(&self, message: M) -> bool
    where
        M: actix::Message<Result = ()> + Send + 'static,
        Room: Take<M>,
    {
        match self.address.try_send(self.queued(message)) {
            // A room that has closed needs to hear of nothing.
            Ok(()) | Err(SendError::Closed(_)) => true,
            Err(SendError::Full(_)) => {
                self.metrics.mailbox_full(ActorKind::Room);
                false
            }
        }
    }

    pub(super) async fn close(&self) {
        if self.address.send(self.queued(Close)).await.is_err() {
            tracing::debug!("the room had closed before it was asked to");
        }
    }

    fn queued<M>(&self, message: M) -> Queued<M> {
        Queued::new(message, &self.metrics)
    }

    pub(super) fn is_open(&self) -> bool {
        self.address.connected()
    }
}

fn closed(_error: MailboxError) -> Result<(), RoomError> {
    Err(RoomError::Closed)
}
