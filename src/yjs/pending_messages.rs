//! The messages of an editor that have arrived and are not processed yet.
//!
//! Updates are collected, to be merged as one change. Of the awareness updates of a client the newest replaces the older
//! one, and so does the newest sync step 1. No I/O, no clock.

use bytes::Bytes;
use indexmap::IndexMap;

use super::{states, stored_updates::UpdateBatch};
use crate::{
    room::EditorAwareness,
    session::Limits,
    wire::yjs::{self, EditorMessage, Malformed, awareness},
};

/// The clients whose awareness may wait. A room has no more.
const MAX_AWARENESS_CLIENTS: usize = 64;

/// The collected messages of one editor.
#[derive(Default)]
pub(super) struct PendingMessages {
    /// The state vector of the last sync step 1, by client. The editor wants everything else.
    state_vector: Option<Vec<(u64, u32)>>,
    /// Whether the editor has asked for everyone's awareness.
    awareness_query: bool,
    /// Sync steps 2 and updates, in the order of their arrival.
    updates: Vec<Bytes>,
    update_bytes: usize,
    /// Whether a sync step 2 is among them.
    has_step_2: bool,
    /// The updates that have arrived in total.
    updates_received: u64,
    /// The newest awareness of each client.
    awareness: IndexMap<u32, EditorAwareness>,
}

impl PendingMessages {
    /// Collects a message. `own_client` is the editor's client id, once the room knows it, and `max_awareness` the limit of
    /// an awareness state in bytes.
    ///
    /// # Errors
    /// [`Malformed`] if a state vector or the editor's own awareness cannot be parsed.
    pub(super) fn receive(
        &mut self,
        message: EditorMessage,
        own_client: Option<u32>,
        max_awareness: usize,
    ) -> Result<(), Malformed> {
        match message {
            EditorMessage::Step1(state_vector) => {
                self.state_vector = Some(yjs::state_vector(&state_vector)?);
            }
            EditorMessage::Step2(update) => {
                self.has_step_2 = true;
                self.receive_update(update);
            }
            EditorMessage::Update(update) => self.receive_update(update),
            EditorMessage::QueryAwareness => self.awareness_query = true,
            EditorMessage::Awareness(bytes) => {
                self.receive_awareness(&bytes, own_client, max_awareness)?;
            }
        }
        Ok(())
    }

    fn receive_update(&mut self, update: Bytes) {
        self.update_bytes += update.len();
        self.updates_received += 1;
        self.updates.push(update);
    }

    /// Collects an awareness update. Editors also relay the awareness of other clients. Those entries are dropped here
    /// once the own client id is known; before, the room ignores them.
    fn receive_awareness(
        &mut self,
        bytes: &[u8],
        own_client: Option<u32>,
        max_awareness: usize,
    ) -> Result<(), Malformed> {
        for entry in awareness::read(bytes)? {
            let entry = entry?;
            if own_client.is_some_and(|own| u64::from(own) != entry.client) {
                continue;
            }
            let state = match states::read(&entry, max_awareness) {
                // It may be an entry that the editor only relays.
                Err(_) if own_client.is_none() => None,
                state => state?,
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

    /// Removes all updates, in the order of their arrival.
    pub(super) fn take_updates(&mut self) -> (Vec<Bytes>, UpdateBatch) {
        self.update_bytes = 0;
        let has_step_2 = std::mem::take(&mut self.has_step_2);
        let batch = UpdateBatch { received: self.updates_received, has_step_2 };
        (std::mem::take(&mut self.updates), batch)
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
    pub(super) fn take_state_vector(&mut self) -> Option<Vec<(u64, u32)>> {
        self.state_vector.take()
    }

    /// Removes the query for everyone's awareness. Returns whether there was one.
    pub(super) fn take_awareness_query(&mut self) -> bool {
        std::mem::take(&mut self.awareness_query)
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
            pending.receive(update, None, 100).unwrap();
        }
        let (updates, batch) = pending.take_updates();
        assert_eq!(updates, ["one", "two"]);
        assert_eq!(batch, UpdateBatch { received: 2, has_step_2: false });
        assert!(!pending.has_updates());

        let step_2 = EditorMessage::Step2(Bytes::from_static(b"all"));
        pending.receive(step_2, None, 100).unwrap();
        let (_, batch) = pending.take_updates();
        assert_eq!(batch, UpdateBatch { received: 3, has_step_2: true });
        assert!(!pending.take_updates().1.has_step_2);
    }

    #[test]
    fn the_newest_awareness_of_a_client_replaces_the_older_one() {
        let mut pending = PendingMessages::default();
        pending.receive(awareness_update(7, 1, 5), None, 100).unwrap();
        pending.receive(awareness_update(7, 2, 9), None, 100).unwrap();
        let state = pending.take_awareness().unwrap().state.unwrap();
        assert_eq!(state["a"], "x".repeat(9));
        assert!(!pending.has_awareness());
    }

    #[test]
    fn awareness_of_other_clients_is_dropped_once_the_own_client_is_known() {
        let mut pending = PendingMessages::default();
        pending.receive(awareness_update(8, 1, 5), Some(7), 100).unwrap();
        assert!(!pending.has_awareness());
        pending.receive(awareness_update(7, 1, 5), Some(7), 100).unwrap();
        assert!(pending.has_awareness());
    }

    #[test]
    fn a_large_awareness_state_is_refused_only_if_it_is_the_editors_own() {
        let mut pending = PendingMessages::default();
        pending.receive(awareness_update(7, 1, 50), None, 20).unwrap();
        assert!(!pending.has_awareness());
        assert!(pending.receive(awareness_update(7, 1, 50), Some(7), 20).is_err());
    }
}
