//! The messages of an editor that have arrived and are not processed yet.
//!
//! Updates are collected, to be merged as one change. Of the awareness updates of a client the newest replaces the older
//! one, and so does the newest sync step 1. No I/O, no clock.

use bytes::Bytes;
use indexmap::IndexMap;

use super::{states, stored_updates::UpdateBatch};
use crate::{
    memory::Reservation,
    room::EditorAwareness,
    session::{Limits, WaitingUpdates},
    wire::yjs::{ClientClocks, EditorMessage, Malformed, awareness},
};

/// The clients whose awareness may wait. A room has no more.
const MAX_AWARENESS_CLIENTS: usize = 64;

/// The entries of one awareness message that are read. Editors relay those of others, so there may be several for each client.
const MAX_AWARENESS_ENTRIES: usize = 4 * MAX_AWARENESS_CLIENTS;

/// The collected messages of one editor.
#[derive(Default)]
pub(super) struct PendingMessages {
    /// The state vector of the last sync step 1, by client. The editor wants everything else.
    state_vector: Option<ClientClocks>,
    /// Whether the editor has asked for everyone's awareness.
    awareness_query: bool,
    /// Sync steps 2 and updates, in the order of their arrival.
    updates: Vec<Bytes>,
    update_bytes: usize,
    /// The memory of those that arrived in large messages.
    held: Vec<Reservation>,
    /// Whether a sync step 2 is among them.
    has_step_2: bool,
    /// The updates that have arrived in total.
    updates_received: u64,
    /// The newest awareness of each client.
    awareness: IndexMap<u32, EditorAwareness>,
}

/// Updates to be merged as one change.
pub(super) struct CollectedUpdates {
    pub(super) updates: Vec<Bytes>,
    pub(super) batch: UpdateBatch,
    /// The memory of large messages, to be kept as long as the updates.
    pub(super) held: Vec<Reservation>,
}

impl PendingMessages {
    /// Collects a message. `own_client` is the editor's client id, once the room knows it, and `max_awareness` the limit of
    /// an awareness state in bytes.
    pub(super) fn receive(
        &mut self,
        message: EditorMessage,
        own_client: Option<u32>,
        max_awareness: usize,
    ) {
        match message {
            EditorMessage::Step1(state_vector) => {
                self.state_vector = Some(state_vector);
            }
            EditorMessage::Step2(update) => {
                self.has_step_2 = true;
                self.receive_update(update);
            }
            EditorMessage::Update(update) => self.receive_update(update),
            EditorMessage::QueryAwareness => self.awareness_query = true,
            EditorMessage::Awareness(bytes) => {
                if let Err(malformed) = self.receive_awareness(&bytes, own_client, max_awareness) {
                    tracing::debug!(%malformed, "left out awareness of an editor");
                }
            }
        }
    }

    fn receive_update(&mut self, update: Bytes) {
        self.update_bytes += update.len();
        self.updates_received += 1;
        self.updates.push(update);
    }

    /// Collects an awareness update. Editors also relay the awareness of other clients. Those entries are dropped here
    /// once the own client id is known; before, the room ignores them.
    ///
    /// # Errors
    /// [`Malformed`] if an entry cannot be read. Those before it are collected.
    fn receive_awareness(
        &mut self,
        bytes: &[u8],
        own_client: Option<u32>,
        max_awareness: usize,
    ) -> Result<(), Malformed> {
        for entry in awareness::read(bytes)?.take(MAX_AWARENESS_ENTRIES) {
            let entry = entry?;
            if own_client.is_some_and(|own| u64::from(own) != entry.client) {
                continue;
            }
            let state = match states::read(&entry, max_awareness) {
                // It may be an entry that the editor only relays.
                Err(_) if own_client.is_none() => continue,
                Err(malformed) => {
                    tracing::debug!(%malformed, "left out the awareness state of an editor");
                    own_client.map(EditorAwareness::without_state)
                }
                Ok(state) => state,
            };
            if let Some(state) = state {
                self.awareness.insert(state.client, state);
            }
            if self.awareness.len() > MAX_AWARENESS_CLIENTS {
                self.awareness.shift_remove_index(0);
            }
        }
        Ok(())
    }

    /// Returns whether an update waits.
    pub(super) fn has_updates(&self) -> bool {
        !self.updates.is_empty()
    }

    /// Keeps the memory of the message that was received last, for as long as its updates.
    pub(super) fn hold(&mut self, memory: Option<Reservation>) {
        if self.has_updates() {
            self.held.extend(memory);
        }
    }

    /// Removes all updates, in the order of their arrival.
    pub(super) fn take_updates(&mut self) -> CollectedUpdates {
        self.update_bytes = 0;
        let has_step_2 = std::mem::take(&mut self.has_step_2);
        let batch = UpdateBatch { received: self.updates_received, has_step_2 };
        let (updates, held) = (std::mem::take(&mut self.updates), std::mem::take(&mut self.held));
        CollectedUpdates { updates, batch, held }
    }

    /// Returns whether an awareness update waits.
    pub(super) fn has_awareness(&self) -> bool {
        !self.awareness.is_empty()
    }

    /// Removes the awareness of the client that has waited longest.
    pub(super) fn take_awareness(&mut self) -> Option<EditorAwareness> {
        self.awareness.shift_remove_index(0).map(|(_client, state)| state)
    }

    /// Returns whether the editor has asked for something: what it misses, or everyone's awareness.
    pub(super) fn has_query(&self) -> bool {
        self.state_vector.is_some() || self.awareness_query
    }

    /// Removes the state vector of the last sync step 1.
    pub(super) fn take_state_vector(&mut self) -> Option<ClientClocks> {
        self.state_vector.take()
    }

    /// Removes the query for everyone's awareness. Returns whether there was one.
    pub(super) fn take_awareness_query(&mut self) -> bool {
        std::mem::take(&mut self.awareness_query)
    }

    /// Returns how many updates wait, and their bytes.
    pub(super) fn waiting(&self) -> WaitingUpdates {
        WaitingUpdates { updates: self.updates.len(), bytes: self.update_bytes }
    }

    /// Returns whether the updates exceed the limits of one session.
    pub(super) fn is_full(&self, limits: &Limits) -> bool {
        self.update_bytes > limits.message || self.updates.len() > limits.operations_in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An awareness update of a client whose state has `bytes` bytes of text.
    fn awareness_update(client: u8, clock: u8, bytes: usize) -> EditorMessage {
        let state = format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes));
        let mut update = vec![1, client, clock, u8::try_from(state.len()).unwrap()];
        update.extend(state.as_bytes());
        EditorMessage::Awareness(update.into())
    }

    #[test]
    fn updates_are_counted_in_total_and_taken_in_order() {
        let mut pending = PendingMessages::default();
        for update in [b"one", b"two"] {
            let update = EditorMessage::Update(Bytes::from_static(update));
            pending.receive(update, None, 100);
        }
        assert_eq!(pending.waiting(), WaitingUpdates { updates: 2, bytes: 6 });
        let CollectedUpdates { updates, batch, .. } = pending.take_updates();
        assert_eq!(updates, ["one", "two"]);
        assert_eq!(pending.waiting(), WaitingUpdates { updates: 0, bytes: 0 });
        assert_eq!(batch, UpdateBatch { received: 2, has_step_2: false });
        assert!(!pending.has_updates());

        let step_2 = EditorMessage::Step2(Bytes::from_static(b"all"));
        pending.receive(step_2, None, 100);
        let CollectedUpdates { batch, .. } = pending.take_updates();
        assert_eq!(batch, UpdateBatch { received: 3, has_step_2: true });
        assert!(!pending.take_updates().batch.has_step_2);
    }

    #[test]
    fn the_newest_awareness_of_a_client_replaces_the_older_one() {
        let mut pending = PendingMessages::default();
        pending.receive(awareness_update(7, 1, 5), None, 100);
        pending.receive(awareness_update(7, 2, 9), None, 100);
        let state = pending.take_awareness().unwrap().state.unwrap();
        assert_eq!(state["a"], "x".repeat(9));
        assert!(!pending.has_awareness());
    }

    #[test]
    fn only_the_first_entries_of_an_awareness_message_are_read() {
        let mut pending = PendingMessages::default();
        let count = MAX_AWARENESS_ENTRIES + 1;
        // The number of entries takes two bytes; each is of client 8, but for the last.
        let mut update = vec![u8::try_from(count % 128).unwrap() | 0x80, 2];
        for index in 1..=count {
            update.extend([if index == count { 7 } else { 8 }, 1, 2, b'{', b'}']);
        }
        pending.receive(EditorMessage::Awareness(update.into()), Some(7), 20);
        assert!(!pending.has_awareness());
    }

    #[test]
    fn awareness_of_other_clients_is_dropped_once_the_own_client_is_known() {
        let mut pending = PendingMessages::default();
        pending.receive(awareness_update(8, 1, 5), Some(7), 100);
        assert!(!pending.has_awareness());
        pending.receive(awareness_update(7, 1, 5), Some(7), 100);
        assert!(pending.has_awareness());
    }

    #[test]
    fn an_editors_own_awareness_state_that_is_too_large_is_replaced_by_an_empty_one() {
        let mut pending = PendingMessages::default();
        pending.receive(awareness_update(7, 1, 50), None, 20);
        assert!(!pending.has_awareness(), "it may be that of another client");
        pending.receive(awareness_update(7, 1, 50), Some(7), 20);
        let awareness = pending.take_awareness().unwrap();
        assert_eq!((awareness.client, awareness.state), (7, Some(serde_json::Map::new())));
    }

    #[test]
    fn an_awareness_message_that_cannot_be_read_is_left_out() {
        let mut pending = PendingMessages::default();
        for bytes in [&[1, 7, 1, 9, b'{'][..], &[0xFF, 0x7F], &[1, 7, 1, 1, 0xFF]] {
            pending.receive(EditorMessage::Awareness(Bytes::from_static(bytes)), Some(7), 20);
        }
        assert!(!pending.has_awareness());
    }
}
