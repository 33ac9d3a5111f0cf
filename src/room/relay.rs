//! How messages from other nodes reach the rooms, and how rooms find out what they missed.
//!
//! The relay may lose messages, and a room's mailbox may be full. Both are repaired by comparison: with the database for
//! changes and access, with the roster for presence. All rooms of a node are compared in one query.

use std::collections::HashMap;

use tokio::time::Instant;

use super::{RoomHandle, Rooms, actor::messages::CheckRoster};
use crate::{
    bridge::{Acknowledger, DeliverySink, Health, RelayEvent},
    domain::{AccessChange, DocumentId, UserId},
    store::StoreError,
    wire::envelope::Envelope,
};

impl Rooms {
    /// Compares every open room with the store and the roster. A room that is behind reads what it missed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`]: not every room was compared.
    pub async fn compare(&self) -> Result<(), StoreError> {
        self.stale().take();
        self.compare_some(self.handles()).await
    }

    /// Compares the rooms that may have missed a message.
    ///
    /// # Errors
    /// As [`Rooms::compare`].
    pub async fn compare_stale(&self) -> Result<(), StoreError> {
        let stale = self.stale().take().into_iter();
        let rooms = stale.filter_map(|document| Some((document, self.find(document)?)));
        self.compare_some(rooms.collect()).await
    }

    /// Waits until a room may have missed a message.
    pub async fn wait_until_stale(&self) {
        self.stale().added().await;
    }

    /// Returns the health of the relay to the other nodes.
    #[must_use]
    pub fn relay(&self) -> Health {
        self.parts().bridge.health()
    }

    async fn compare_some(&self, rooms: HashMap<DocumentId, RoomHandle>) -> Result<(), StoreError> {
        if rooms.is_empty() {
            return Ok(());
        }
        let (documents, read_at): (Vec<DocumentId>, _) =
            (rooms.keys().copied().collect(), Instant::now());
        let parts = self.parts();
        // Together, because one of the two may be down. Without the roster, remote presence stays as it was.
        let (heads, sequences) = futures_util::join!(
            parts.store.list_head_versions(&documents),
            parts.roster.find_sequences(&documents)
        );
        match &heads {
            Ok(heads) => {
                for (document, room) in &rooms {
                    self.send_or_compare_next_time(*document, Some(room), |room| {
                        room.compare(heads.get(document).copied(), read_at)
                    });
                }
            }
            Err(_) => self.stale().keep(&documents),
        }
        for (document, sequence) in sequences.unwrap_or_default() {
            let check = CheckRoster::At(sequence);
            self.send_or_compare_next_time(document, rooms.get(&document), |room| {
                room.check_roster(check)
            });
        }
        heads.map(drop)
    }

    /// Sends a room a message. If its mailbox is full, the room is compared soon.
    fn send_or_compare_soon(
        &self,
        document: DocumentId,
        room: Option<&RoomHandle>,
        send: impl FnOnce(&RoomHandle) -> bool,
    ) {
        if !room.is_none_or(send) {
            self.stale().add(document);
        }
    }

    /// Sends a room the result of a comparison. If its mailbox is full, the next comparison includes it: asking for one at
    /// once would query the database again and again until the mailbox has capacity.
    fn send_or_compare_next_time(
        &self,
        document: DocumentId,
        room: Option<&RoomHandle>,
        send: impl FnOnce(&RoomHandle) -> bool,
    ) {
        if !room.is_none_or(send) {
            self.stale().keep(&[document]);
        }
    }

    fn change_access_here(
        &self,
        document: DocumentId,
        user: UserId,
        access: AccessChange,
        acknowledge: Option<Acknowledger>,
    ) {
        // The message takes its place in the mailbox now, before anything that comes later. A task waits for the answer, or
        // for the place if the mailbox is full.
        let changed = self.find(document).map(|room| room.change_access(user, access));
        tokio::spawn(async move {
            if let Some(changed) = changed {
                changed.await;
            }
            if acknowledge.is_some_and(|acknowledge| acknowledge.send(()).is_err()) {
                tracing::debug!("the node that changed an access level no longer waits");
            }
        });
    }
}

impl DeliverySink for Rooms {
    fn deliver(&self, event: RelayEvent) {
        match event {
            RelayEvent::Envelope { document, envelope, acknowledge } => match envelope {
                Envelope::AccessChanged { user, access, .. } => {
                    self.change_access_here(document, user, access, acknowledge);
                }
                Envelope::Compare => self.stale().add(document),
                envelope => {
                    let room = self.find(document);
                    self.send_or_compare_soon(document, room.as_ref(), |room| {
                        room.deliver(envelope)
                    });
                }
            },
            RelayEvent::PresenceCounted { document, sequence } => {
                let room = self.find(document);
                self.send_or_compare_soon(document, room.as_ref(), |room| {
                    room.check_roster(CheckRoster::OwnNumber(sequence))
                });
            }
        }
    }

    fn relay_recovered(&self) {
        let rooms = self.clone();
        tokio::spawn(async move {
            if let Err(error) = rooms.compare().await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "could not compare open documents; trying again");
            }
        });
    }
}
