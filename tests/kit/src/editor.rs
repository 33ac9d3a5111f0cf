//! A Yjs editor: a document of its own, which it keeps in sync over a socket that speaks the y-websocket protocol.
//!
//! It is written against the protocol and shares no code with the server, apart from the Yjs library.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
};

use coscribe::domain::DocumentId;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite::Message;
use yrs::{
    ClientID, Doc, GetString as _, OffsetKind, Options, ReadTxn as _, StateVector, Text as _,
    TextRef, Transact as _, encoding::write::Write as _, updates::encoder::Encode as _,
};

use crate::{
    EditorState, Handshake, Person, Refusal,
    connection::{Close, Connection, Incoming, Stream},
    within,
};

/// The name of the text in every document.
const TEXT: &str = "content";

/// An editor with its connection. Dropping it breaks the connection off without a close frame.
pub struct Editor {
    /// The Yjs document.
    pub doc: Doc,
    /// Its client id.
    pub client: u64,
    text: TextRef,
    connection: Connection,
    received: Arc<Received>,
}

#[derive(Default)]
struct Received {
    state: Mutex<EditorState>,
    arrived: Notify,
}

impl Person {
    /// Opens a document in an editor and waits until it is in sync.
    pub async fn open_editor(&self, document: DocumentId) -> Editor {
        self.open_editor_with(document, new_doc(), "").await
    }

    /// Opens a document in an editor that asks for save receipts.
    pub async fn open_editor_with_receipts(&self, document: DocumentId) -> Editor {
        self.open_editor_with(document, new_doc(), "&saved=true").await
    }

    /// Opens a document in an editor that already has `doc`, with an addition to the query of its address.
    pub async fn open_editor_with(&self, document: DocumentId, doc: Doc, query: &str) -> Editor {
        let editor = self.connect_editor(document, doc, query).await.unwrap();
        editor.sync().await;
        editor
    }

    /// Opens a document in an editor whose kernel receives only some kilobytes ahead of the test.
    pub async fn open_slow_editor(&self, document: DocumentId) -> Editor {
        let reply = self.editor_handshake(document, "").slow().send().await;
        let editor = Editor::new(reply.into_stream().await.unwrap(), new_doc());
        editor.sync().await;
        editor
    }

    /// Connects an editor, which sends nothing yet.
    ///
    /// # Errors
    /// The node refuses the handshake.
    pub async fn connect_editor(
        &self,
        document: DocumentId,
        doc: Doc,
        query: &str,
    ) -> Result<Editor, Refusal> {
        let reply = self.editor_handshake(document, query).send().await;
        Ok(Editor::new(reply.into_stream().await?, doc))
    }

    /// Connects an editor, which sends nothing yet; `None` if the node does not accept it. Waits without a deadline.
    pub async fn try_connect_editor(&self, document: DocumentId, doc: Doc) -> Option<Editor> {
        let stream = self.editor_handshake(document, "").try_open().await?;
        Some(Editor::new(stream, doc))
    }

    fn editor_handshake(&self, document: DocumentId, query: &str) -> Handshake {
        let path = format!("/sync/{document}?token={}{query}", self.token);
        Handshake::to_path(self.address(), &path)
    }
}

impl Editor {
    /// Opens a document by a handshake, which the node must accept, and waits until it is in sync.
    pub async fn open_by(handshake: Handshake) -> Self {
        let editor = Self::connect_by(handshake).await;
        editor.sync().await;
        editor
    }

    /// Connects by a handshake, which the node must accept. The editor sends nothing yet.
    pub async fn connect_by(handshake: Handshake) -> Self {
        Self::new(handshake.send().await.into_stream().await.unwrap(), new_doc())
    }

    /// Sends sync step 1 and returns whether the node answers it. If it does not, it closes the socket.
    pub async fn is_admitted(&self) -> bool {
        self.try_send_sync_step_1().await;
        let is_settled = |state: &EditorState| state.sync_replies > 0 || state.closed.is_some();
        self.expect("sync step 2 or a close frame", is_settled).await.sync_replies > 0
    }

    fn new(stream: Stream, doc: Doc) -> Self {
        let received = Arc::<Received>::default();
        let (shared, own_doc) = (Arc::clone(&received), doc.clone());
        let connection = Connection::new(stream, move |incoming| {
            let reply = match incoming {
                Incoming::Message(Message::Binary(bytes)) => {
                    shared.state.lock().unwrap().receive(&bytes, &own_doc)
                }
                Incoming::Message(_) => None,
                Incoming::End(close) => {
                    shared.state.lock().unwrap().closed = Some(close);
                    None
                }
            };
            shared.arrived.notify_waiters();
            reply.map(Message::binary)
        });
        let (text, client) = (doc.get_or_insert_text(TEXT), doc.client_id().get());
        Self { doc, client, text, connection, received }
    }

    /// Sends sync step 1 and waits for the first reply.
    async fn sync(&self) {
        self.send_sync_step_1().await;
        self.expect("sync step 2", |state| state.sync_replies > 0).await;
    }

    /// Sends sync step 1: the state vector of the document.
    pub async fn send_sync_step_1(&self) {
        self.send(&self.sync_step_1()).await;
    }

    /// Sends sync step 1 unless the connection has ended.
    pub async fn try_send_sync_step_1(&self) {
        self.try_send(self.sync_step_1()).await;
    }

    /// Inserts a text and sends the update.
    pub async fn insert(&self, at: u32, text: &str) {
        let update = self.insert_unsent(at, text);
        self.send_update(&update).await;
    }

    /// Inserts a text and returns the update without sending it.
    pub fn insert_unsent(&self, at: u32, text: &str) -> Vec<u8> {
        let mut txn = self.doc.transact_mut();
        let at = at.min(self.text.len(&txn));
        self.text.insert(&mut txn, at, text);
        txn.encode_update_v1()
    }

    /// Deletes UTF-16 code units and sends the update.
    pub async fn delete(&self, at: u32, units: u32) {
        let update = {
            let mut txn = self.doc.transact_mut();
            self.text.remove_range(&mut txn, at, units);
            txn.encode_update_v1()
        };
        self.send_update(&update).await;
    }

    /// Sends an update.
    pub async fn send_update(&self, update: &[u8]) {
        self.send(&sync_message(&[0, 2], update)).await;
    }

    /// Sends an update unless the connection has ended.
    pub async fn try_send_update(&self, update: &[u8]) {
        self.try_send(sync_message(&[0, 2], update)).await;
    }

    /// Sends an awareness state under the id of a client.
    pub async fn send_awareness(&self, client: u64, clock: u64, state: &Value) {
        let mut entry = Vec::new();
        entry.write_var(1_u32);
        entry.write_var(client);
        entry.write_var(clock);
        entry.write_string(&state.to_string());
        self.send(&sync_message(&[1], &entry)).await;
    }

    /// Sends a binary message as it is. It may fail only if the server has closed the connection.
    pub async fn send(&self, bytes: &[u8]) {
        self.send_frame(Message::binary(bytes.to_vec())).await;
    }

    /// Sends a frame as it is. It may fail only if the server has closed the connection.
    pub async fn send_frame(&self, frame: Message) {
        if let Err(error) = within("sending a frame", self.connection.send(frame)).await {
            assert!(self.state().closed.is_some(), "{error}");
        }
    }

    /// The text of its document.
    #[must_use]
    pub fn content(&self) -> String {
        self.text.get_string(&self.doc.transact())
    }

    /// What it has received so far.
    #[must_use]
    pub fn state(&self) -> EditorState {
        self.received.state.lock().unwrap().clone()
    }

    /// Waits until what it has received meets a condition.
    pub async fn expect(
        &self,
        what: &str,
        condition: impl Fn(&EditorState) -> bool,
    ) -> EditorState {
        within(what, self.wait_until(condition)).await
    }

    /// Waits until the server acknowledges as stored everything that this editor wrote. Returns the version.
    pub async fn expect_saved(&self) -> i64 {
        let (client, wrote) = (self.doc.client_id(), self.doc.transact().state_vector());
        let wrote = wrote.get(&client);
        let is_saved = |state: &EditorState| {
            state.saved.as_ref().is_some_and(|(_, saved)| saved.get(&client) >= wrote)
        };
        self.expect("a save receipt", is_saved).await.saved.unwrap().0
    }

    /// Waits until its text is this one.
    pub async fn expect_text(&self, text: &str) {
        let what = format!("the text {text:?} instead of {:?}", self.content());
        self.expect(&what, |_state| self.content() == text).await;
    }

    /// Waits for the server's close frame. Returns its code and reason.
    pub async fn expect_close(&self) -> (u16, String) {
        let state = self.expect("a close frame", |state| state.closed.is_some()).await;
        state.closed.unwrap().expect("a close frame")
    }

    /// Waits, without a deadline, for the end of the connection. Returns the close frame, if there was one.
    pub async fn ended(&self) -> Option<Close> {
        self.wait_until(|state| state.closed.is_some()).await.closed.unwrap()
    }

    /// Leaves everything that arrives from now on in the network.
    pub fn stop_reading(&self) {
        self.connection.stop_reading();
    }

    /// Reads again.
    pub fn resume_reading(&self) {
        self.connection.resume_reading();
    }

    /// Sends a close frame and waits for the server's.
    pub async fn close(self) {
        self.connection.send_close().await;
        assert_eq!(self.expect_close().await.0, 1000);
    }

    async fn wait_until(&self, condition: impl Fn(&EditorState) -> bool) -> EditorState {
        loop {
            let mut arrived = pin!(self.received.arrived.notified());
            arrived.as_mut().enable();
            let state = self.state();
            if condition(&state) {
                return state;
            }
            arrived.await;
        }
    }

    fn sync_step_1(&self) -> Vec<u8> {
        let state_vector: StateVector = self.doc.transact().state_vector();
        sync_message(&[0, 0], &state_vector.encode_v1())
    }

    async fn try_send(&self, bytes: Vec<u8>) {
        let sent = self.connection.send(Message::binary(bytes)).await;
        // A failure is the end of the connection, which `ended` reports.
        drop(sent);
    }
}

/// A document that counts as Yjs does: UTF-16 offsets and client ids of 32 bits.
#[must_use]
pub fn new_doc() -> Doc {
    let client = u32::from_ne_bytes(uuid::Uuid::new_v4().as_bytes()[..4].try_into().unwrap());
    let mut options = Options::with_client_id(ClientID::new(client.into()));
    options.offset_kind = OffsetKind::Utf16;
    Doc::with_options(options)
}

/// Encodes a message: its kind, then its length and content.
#[must_use]
pub fn sync_message(kind: &[u8], content: &[u8]) -> Vec<u8> {
    let mut message = kind.to_vec();
    message.write_buf(content);
    message
}
