//! How what other nodes tell reaches the rooms, and how rooms find out what did not.
//!
//! The relay may lose what is told, and a room may have no place for it. Both are looked up: what is stored in the
//! database, who is present in the roster. All rooms of a node are compared in one question.

use std::collections::HashMap;

use super::{RoomHandle, Rooms, actor::messages::LookForOthers};
use crate::{
    bridge::{Acknowledger, DeliverySink, Health, RelayEvent},
    domain::{AccessLevel, DocumentId, UserId},
    store::StoreError,
    wire::envelope::Envelope,
};

impl Rooms {
    /// Compares what every open room knows with what store and roster have; a room that is behind reads and tells the
    /// rest.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`]: not everything was compared.
    pub async fn compare(&self) -> Result<(), StoreError> {
        self.stale.lock().clear();
        self.compare_some(self.handles()).await
    }

    /// The same for those rooms alone that something may not have reached.
    ///
    /// # Errors
    /// As [`Rooms::compare`].
    pub async fn compare_stale(&self) -> Result<(), StoreError> {
        let stale: Vec<_> = self.stale.lock().drain().collect();
        let rooms = stale.into_iter().filter_map(|document| Some((document, self.find(document)?)));
        self.compare_some(rooms.collect()).await
    }

    /// How the relay to the other nodes does.
    #[must_use]
    pub fn relay(&self) -> Health {
        self.shared.parts.bridge.health()
    }

    async fn compare_some(&self, rooms: HashMap<DocumentId, RoomHandle>) -> Result<(), StoreError> {
        if rooms.is_empty() {
            return Ok(());
        }
        let documents: Vec<DocumentId> = rooms.keys().copied().collect();
        let parts = &self.shared.parts;
        // Neither waits for the other: one of the two may be away. While the roster is, those on other nodes stay as they
        // were last heard of.
        let (marks, sequences) = futures_util::join!(
            parts.store.list_marks(&documents),
            parts.roster.find_sequences(&documents)
        );
        match &marks {
            Ok(marks) => {
                for (document, mark) in marks {
                    self.hand(*document, rooms.get(document), |room| room.compare(*mark));
                }
            }
            Err(_) => self.stale.lock().extend(&documents),
        }
        for (document, sequence) in sequences.unwrap_or_default() {
            self.hand(document, rooms.get(&document), |room| {
                room.look_for_others(LookForOthers::IfElsewhere(sequence))
            });
        }
        marks.map(drop)
    }

    /// Gives a room something; when it has no place for it, it is compared soon.
    fn hand(
        &self,
        document: DocumentId,
        room: Option<&RoomHandle>,
        give: impl FnOnce(&RoomHandle) -> bool,
    ) {
        if let Some(room) = room
            && !give(room)
        {
            self.stale.lock().insert(document);
            self.is_stale.notify_one();
        }
    }

    /// Waits until something may not have reached its room.
    pub async fn stale(&self) {
        self.is_stale.notified().await;
    }

    fn change_access_here(
        &self,
        document: DocumentId,
        user: UserId,
        level: Option<AccessLevel>,
        acknowledge: Option<Acknowledger>,
    ) {
        // It has its place in the mailbox before anything that comes after it; a task waits for the answer, or for the place
        // if there was none.
        let changed = self.find(document).map(|room| room.access_changed(user, level));
        tokio::spawn(async move {
            if let Some(changed) = changed {
                changed.await;
            }
            if acknowledge.is_some_and(|acknowledge| acknowledge.send(()).is_err()) {
                tracing::debug!("whoever changed an access does not wait for this node");
            }
        });
    }
}

impl DeliverySink for Rooms {
    fn deliver(&self, event: RelayEvent) {
        match event {
            RelayEvent::Envelope { document, envelope, acknowledge } => match envelope {
                Envelope::AccessChanged { user, level, .. } => {
                    self.change_access_here(document, user, level, acknowledge);
                }
                Envelope::Compare => {
                    self.stale.lock().insert(document);
                    self.is_stale.notify_one();
                }
                envelope => {
                    let room = self.find(document);
                    self.hand(document, room.as_ref(), |room| room.deliver(envelope));
                }
            },
            RelayEvent::PresenceCounted { document, sequence } => {
                let room = self.find(document);
                self.hand(document, room.as_ref(), |room| {
                    room.look_for_others(LookForOthers::Counted(sequence))
                });
            }
        }
    }

    fn relay_recovered(&self) {
        let rooms = self.clone();
        tokio::spawn(async move {
            if let Err(error) = rooms.compare().await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "open documents could not be compared; they will be");
            }
        });
    }
}
