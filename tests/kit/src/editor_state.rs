//! What an editor has received from the server.

use std::collections::BTreeMap;

use serde_json::Value;
use yrs::{
    Doc, ReadTxn as _, StateVector, Transact as _, Update,
    encoding::read::{Cursor, Read as _},
    updates::decoder::{Decode as _, DecoderV1},
};

use crate::{Person, connection::Close, editor::sync_message};

/// Everything that an editor has received so far.
#[derive(Debug, Default, Clone)]
pub struct EditorState {
    /// The updates that arrived outside sync step 2, as they arrived.
    pub updates: Vec<Vec<u8>>,
    /// How often the server sent sync step 1.
    pub sync_requests: usize,
    /// How often the server sent sync step 2.
    pub sync_replies: usize,
    /// How often the server refused a change.
    pub denials: usize,
    /// The reason for the last refusal.
    pub denial: Option<String>,
    /// Whether the server has said last that the user may edit. None if it has said nothing.
    pub may_edit: Option<bool>,
    /// The number of awareness messages.
    pub awareness_messages: usize,
    /// The clock and state of each other client; no state after it left.
    pub peers: BTreeMap<u64, (u64, Option<Value>)>,
    /// The last version that the server acknowledged as stored, with the state vector that all acknowledgements made
    /// together.
    pub saved: Option<(i64, StateVector)>,
    /// How many updates were stored, according to each acknowledgement.
    pub stored_updates: Vec<u64>,
    /// The number of clients in the last acknowledgement.
    pub saved_clients: usize,
    /// How the connection ended, if it has ended: with a close frame or without.
    pub closed: Option<Option<Close>>,
}

impl EditorState {
    /// The states of the clients that are present.
    #[must_use]
    pub fn peer_states(&self) -> Vec<&Value> {
        self.peers.values().filter_map(|(_, state)| state.as_ref()).collect()
    }

    /// The state of a person, if the person is present.
    #[must_use]
    pub fn state_of(&self, person: &Person) -> Option<&Value> {
        let id = person.id.to_string();
        self.peer_states().into_iter().find(|state| state["user"]["id"] == *id)
    }

    /// Whether a person is present.
    #[must_use]
    pub fn shows(&self, person: &Person) -> bool {
        self.state_of(person).is_some()
    }

    /// Applies a message to `doc` and to this value. Returns the reply.
    pub(crate) fn receive(&mut self, message: &[u8], doc: &Doc) -> Option<Vec<u8>> {
        let mut cursor = Cursor::new(message);
        let kind: u32 = cursor.read_var().unwrap();
        match kind {
            0 => return self.receive_sync(&mut cursor, doc),
            1 => self.receive_awareness(cursor.read_buf().unwrap()),
            2 => self.receive_auth(&mut cursor),
            100 => self.receive_saved(cursor.read_buf().unwrap()),
            other => panic!("a message of kind {other}"),
        }
        None
    }

    fn receive_sync(&mut self, cursor: &mut Cursor<'_>, doc: &Doc) -> Option<Vec<u8>> {
        let step: u32 = cursor.read_var().unwrap();
        let content = cursor.read_buf().unwrap();
        if step == 0 {
            self.sync_requests += 1;
            let state_vector = StateVector::decode_v1(content).unwrap();
            let missing = doc.transact().encode_state_as_update_v1(&state_vector);
            return Some(sync_message(&[0, 1], &missing));
        }
        doc.transact_mut().apply_update(Update::decode_v1(content).unwrap()).unwrap();
        match step {
            1 => self.sync_replies += 1,
            _ => self.updates.push(content.to_vec()),
        }
        None
    }

    fn receive_auth(&mut self, cursor: &mut Cursor<'_>) {
        let (kind, text) = (cursor.read_var::<u32>().unwrap(), cursor.read_string().unwrap());
        match (kind, text) {
            (0, reason) => {
                self.denials += 1;
                self.denial = Some(reason.to_owned());
            }
            (2, "read-write") => self.may_edit = Some(true),
            (2, "readonly") => self.may_edit = Some(false),
            (kind, text) => panic!("an auth message of kind {kind} with {text:?}"),
        }
    }

    fn receive_awareness(&mut self, entries: &[u8]) {
        self.awareness_messages += 1;
        let mut cursor = Cursor::new(entries);
        for _entry in 0..cursor.read_var::<u32>().unwrap() {
            let client: u64 = cursor.read_var().unwrap();
            let clock: u64 = cursor.read_var().unwrap();
            let state: Value = serde_json::from_str(cursor.read_string().unwrap()).unwrap();
            // A newer entry may have overtaken this one.
            if self.peers.get(&client).is_none_or(|(known, _)| clock > *known) {
                self.peers.insert(client, (clock, Some(state).filter(|state| !state.is_null())));
            }
        }
    }

    fn receive_saved(&mut self, content: &[u8]) {
        let mut cursor = Cursor::new(content);
        let version: u64 = cursor.read_var().unwrap();
        let mut rest = DecoderV1::new(Cursor::new(&content[cursor.next..]));
        let state_vector = StateVector::decode(&mut rest).unwrap();
        self.stored_updates.push(rest.read_var().unwrap());
        self.saved_clients = state_vector.len();
        let (_, mut saved) = self.saved.take().unwrap_or_default();
        saved.merge(state_vector);
        self.saved = Some((i64::try_from(version).unwrap(), saved));
    }
}
