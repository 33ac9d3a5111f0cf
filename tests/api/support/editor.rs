//! A Yjs editor: a document of its own, kept in step over a socket that speaks y-websocket, and everything it hears.
//!
//! It is written against the protocol and shares no code with the server; its document is that of the library.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use coscribe::domain::DocumentId;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use yrs::{
    ClientID, Doc, GetString as _, OffsetKind, Options, ReadTxn as _, StateVector, Text as _,
    TextRef, Transact as _, Update,
    encoding::{
        read::{Cursor, Read as _},
        write::Write as _,
    },
    updates::{decoder::Decode as _, encoder::Encode as _},
};

use super::{
    Handshake, Person,
    handshake::Refused,
    line::{Came, Goodbye, Line, Stream},
    within,
};

/// An editor with its connection. Dropping it breaks the connection off without a goodbye.
pub(crate) struct Editor {
    pub(crate) doc: Doc,
    text: TextRef,
    pub(crate) client: u64,
    line: Line,
    state: Arc<State>,
}

/// What has come.
#[derive(Default)]
struct State {
    heard: Mutex<Heard>,
    arrived: Notify,
}

/// What an editor was told.
#[derive(Default, Clone)]
pub(crate) struct Heard {
    /// The updates that came after the first answer, as they came.
    pub(crate) updates: Vec<Vec<u8>>,
    /// How often it was answered what it misses, ...
    pub(crate) answers: usize,
    /// ... and asked for what it has.
    pub(crate) questions: usize,
    /// How often a change was refused.
    pub(crate) denials: usize,
    /// Awareness messages, and what they came to: who is there, and what he says.
    pub(crate) awareness: usize,
    pub(crate) others: BTreeMap<u64, (u64, Option<Value>)>,
    /// The last version that was said to be stored, and what of each client is.
    pub(crate) saved: Option<(i64, StateVector)>,
    /// How the connection ended.
    pub(crate) closed: Option<Option<Goodbye>>,
}

impl Heard {
    /// What everybody says who is there.
    pub(crate) fn states(&self) -> Vec<&Value> {
        self.others.values().filter_map(|(_, state)| state.as_ref()).collect()
    }

    /// What a user says, if he is there.
    pub(crate) fn state_of(&self, person: &Person) -> Option<&Value> {
        let id = person.id.to_string();
        self.states().into_iter().find(|state| state["user"]["id"] == *id)
    }
}

impl Person {
    /// An editor with a document open, in step.
    pub(crate) async fn edit(&self, document: DocumentId) -> Editor {
        self.edit_with(document, fresh_doc(), "").await
    }

    /// The same with this document of its own, and more in the address.
    pub(crate) async fn edit_with(&self, document: DocumentId, doc: Doc, query: &str) -> Editor {
        let editor = self.try_to_edit(document, doc, query).await.unwrap();
        editor.sync().await;
        editor.until("it is in step", |heard| heard.answers > 0).await;
        editor
    }

    /// The same, whose network takes little.
    pub(crate) async fn edit_slowly(&self, document: DocumentId) -> Editor {
        let path = format!("/sync/{document}?token={}", self.token);
        let handshake = Handshake::to_sync(self.address(), &path).receive_buffer(4_096);
        let editor = Editor::new(handshake.upgrade().await.unwrap(), fresh_doc());
        editor.sync().await;
        editor.until("it is in step", |heard| heard.answers > 0).await;
        editor
    }

    /// An editor that has said nothing yet.
    pub(crate) async fn try_to_edit(
        &self,
        document: DocumentId,
        doc: Doc,
        query: &str,
    ) -> Result<Editor, Refused> {
        let path = format!("/sync/{document}?token={}{query}", self.token);
        let stream = Handshake::to_sync(self.address(), &path).upgrade().await?;
        Ok(Editor::new(stream, doc))
    }
}

#[allow(dead_code, reason = "for tests/cluster")]
impl Person {
    /// An editor that has said nothing yet; none where the node cannot be reached.
    pub(crate) async fn come_to_edit(&self, document: DocumentId, doc: Doc) -> Option<Editor> {
        let url = format!("ws://{}/sync/{document}?token={}", self.address(), self.token);
        let (stream, _response) = tokio_tungstenite::connect_async(url).await.ok()?;
        Some(Editor::new(stream, doc))
    }
}

#[allow(dead_code, reason = "for tests/cluster")]
impl Editor {
    /// Says what it has, unless the connection has ended.
    pub(crate) async fn sync_if_possible(&self) {
        let state_vector = self.doc.transact().state_vector().encode_v1();
        self.try_to_send(message(&[0, 0], &state_vector)).await;
    }

    /// Sends an update, unless the connection has ended.
    pub(crate) async fn update_if_possible(&self, update: &[u8]) {
        self.try_to_send(message(&[0, 2], update)).await;
    }

    async fn try_to_send(&self, bytes: Vec<u8>) {
        let sent = self.line.send(Message::binary(bytes)).await;
        // Its end is heard by whoever waits for it.
        drop(sent);
    }

    /// Waits for the end of the connection, however long it lasts: code and reason, if there was a close frame.
    pub(crate) async fn end(&self) -> Option<(u16, String)> {
        loop {
            let mut arrived = std::pin::pin!(self.state.arrived.notified());
            arrived.as_mut().enable();
            if let Some(closed) = self.heard().closed {
                return closed;
            }
            arrived.await;
        }
    }
}

/// A document as Yjs counts: UTF-16, and clients of 32 bits.
pub(crate) fn fresh_doc() -> Doc {
    let client = u32::from_ne_bytes(uuid::Uuid::new_v4().as_bytes()[..4].try_into().unwrap());
    let mut options = Options::with_client_id(ClientID::new(client.into()));
    options.offset_kind = OffsetKind::Utf16;
    Doc::with_options(options)
}

impl Editor {
    fn new(stream: Stream, doc: Doc) -> Self {
        let state = Arc::<State>::default();
        let (heard, reader) = (Arc::clone(&state), doc.clone());
        let line = Line::new(stream, move |came| {
            let answer = match came {
                Came::Message(Message::Binary(bytes)) => hear(&bytes, &reader, &heard),
                Came::Message(_) => None,
                Came::End(goodbye) => {
                    heard.heard.lock().unwrap().closed = Some(goodbye);
                    None
                }
            };
            heard.arrived.notify_waiters();
            answer.map(Message::binary)
        });
        let (text, client) = (doc.get_or_insert_text("content"), doc.client_id().get());
        Self { doc, text, client, line, state }
    }

    /// Says what it has, and asks for the rest.
    pub(crate) async fn sync(&self) {
        let state_vector = self.doc.transact().state_vector().encode_v1();
        self.send(&message(&[0, 0], &state_vector)).await;
    }

    /// Inserts a text and sends that.
    pub(crate) async fn insert(&self, at: u32, text: &str) {
        let update = self.insert_quietly(at, text);
        self.update(&update).await;
    }

    /// Inserts a text and sends nothing.
    pub(crate) fn insert_quietly(&self, at: u32, text: &str) -> Vec<u8> {
        let mut txn = self.doc.transact_mut();
        let at = at.min(self.text.len(&txn));
        self.text.insert(&mut txn, at, text);
        txn.encode_update_v1()
    }

    /// Deletes and sends that.
    pub(crate) async fn delete(&self, at: u32, units: u32) {
        let update = {
            let mut txn = self.doc.transact_mut();
            self.text.remove_range(&mut txn, at, units);
            txn.encode_update_v1()
        };
        self.update(&update).await;
    }

    /// Sends an update.
    pub(crate) async fn update(&self, update: &[u8]) {
        self.send(&message(&[0, 2], update)).await;
    }

    /// Says something of itself under the id of a client.
    pub(crate) async fn say(&self, client: u64, clock: u64, state: &Value) {
        let mut entry = Vec::new();
        entry.write_var(1_u32);
        entry.write_var(client);
        entry.write_var(clock);
        entry.write_string(&state.to_string());
        self.send(&message(&[1], &entry)).await;
    }

    /// Sends a binary message as it is. One that cannot be sent any more has been answered already.
    pub(crate) async fn send(&self, bytes: &[u8]) {
        self.send_frame(Message::binary(bytes.to_vec())).await;
    }

    /// Sends a frame as it is.
    pub(crate) async fn send_frame(&self, frame: Message) {
        if let Err(error) = within("sending a frame", self.line.send(frame)).await {
            assert!(self.heard().closed.is_some(), "{error}");
        }
    }

    /// Its text.
    pub(crate) fn content(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    /// What it was told so far.
    pub(crate) fn heard(&self) -> Heard {
        self.state.heard.lock().unwrap().clone()
    }

    /// Waits until what it was told is so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Heard) -> bool) -> Heard {
        let waiting = async {
            loop {
                let mut arrived = std::pin::pin!(self.state.arrived.notified());
                arrived.as_mut().enable();
                let heard = self.heard();
                if is_so(&heard) {
                    return heard;
                }
                arrived.await;
            }
        };
        within(what, waiting).await
    }

    /// Waits until all that it wrote is said to be stored; gives the version.
    pub(crate) async fn stored(&self) -> i64 {
        let (client, wrote) = (self.doc.client_id(), self.doc.transact().state_vector());
        let wrote = wrote.get(&client);
        let is_stored = |heard: &Heard| {
            heard.saved.as_ref().is_some_and(|(_, stored)| stored.get(&client) >= wrote)
        };
        self.until("it is stored", is_stored).await.saved.unwrap().0
    }

    /// Waits until its text is this.
    pub(crate) async fn reads(&self, text: &str) {
        let what = format!("{text:?}, instead of {:?},", self.content());
        self.until(&what, |_heard| self.content() == text).await;
    }

    /// The server's close frame: code and reason.
    pub(crate) async fn expect_close(&self) -> (u16, String) {
        let heard = self.until("a close frame", |heard| heard.closed.is_some()).await;
        heard.closed.unwrap().expect("a close frame")
    }

    /// From now on whatever comes stays in the network.
    pub(crate) fn stop_reading(&self) {
        self.line.stop_reading();
    }

    /// Reads on.
    pub(crate) fn read_on(&self) {
        self.line.read_on();
    }

    /// Says goodbye and waits for the server's.
    pub(crate) async fn close(self) {
        self.line.say_goodbye().await.unwrap();
        assert_eq!(self.expect_close().await.0, 1000);
    }
}

/// A message: what kind it is, and its content.
pub(crate) fn message(kind: &[u8], content: &[u8]) -> Vec<u8> {
    let mut message = kind.to_vec();
    message.write_buf(content);
    message
}

/// Takes in a message, and says what is to be answered.
fn hear(bytes: &[u8], doc: &Doc, state: &State) -> Option<Vec<u8>> {
    let mut cursor = Cursor::new(bytes);
    let kind: u32 = cursor.read_var().unwrap();
    let mut heard = state.heard.lock().unwrap();
    match kind {
        0 => {
            let step: u32 = cursor.read_var().unwrap();
            let content = cursor.read_buf().unwrap().to_vec();
            if step == 0 {
                heard.questions += 1;
                let state_vector = StateVector::decode_v1(&content).unwrap();
                let missing = doc.transact().encode_state_as_update_v1(&state_vector);
                return Some(message(&[0, 1], &missing));
            }
            let update = Update::decode_v1(&content).unwrap();
            doc.transact_mut().apply_update(update).unwrap();
            match step {
                1 => heard.answers += 1,
                _ => heard.updates.push(content),
            }
        }
        1 => {
            heard.awareness += 1;
            let entries = cursor.read_buf().unwrap().to_vec();
            let mut cursor = Cursor::new(&entries);
            for _entry in 0..cursor.read_var::<u32>().unwrap() {
                let client: u64 = cursor.read_var().unwrap();
                let clock: u64 = cursor.read_var().unwrap();
                let said: Value = serde_json::from_str(cursor.read_string().unwrap()).unwrap();
                // What is older than what is known does not count: a newer one may have overtaken it.
                if heard.others.get(&client).is_none_or(|(known, _)| clock > *known) {
                    heard.others.insert(client, (clock, Some(said).filter(|said| !said.is_null())));
                }
            }
        }
        2 => heard.denials += 1,
        100 => {
            let content = cursor.read_buf().unwrap().to_vec();
            let mut cursor = Cursor::new(&content);
            let version: u64 = cursor.read_var().unwrap();
            let state_vector = StateVector::decode_v1(&content[cursor.next..]).unwrap();
            heard.saved = Some((i64::try_from(version).unwrap(), state_vector));
        }
        other => panic!("a message of kind {other}"),
    }
    None
}
