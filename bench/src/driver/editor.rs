//! A Yjs editor that speaks the y-websocket protocol over `/sync`.

use std::sync::Arc;

use anyhow::ensure;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;
use yrs::{
    ClientID, Doc, OffsetKind, Options, ReadTxn as _, StateVector, Text as _, Transact as _,
    Update,
    encoding::read::{Cursor, Read as _},
    encoding::write::Write as _,
    updates::{
        decoder::{Decode as _, DecoderV1},
        encoder::Encode as _,
    },
};

use super::{
    Address, LinkOptions,
    link::{Link, Queue, Receive},
};

/// The name of the text in every document.
const TEXT: &str = "content";

const SYNC: u8 = 0;
const STEP_1: u8 = 0;
const STEP_2: u8 = 1;
const UPDATE: u8 = 2;
const DENIED: u8 = 2;
const SAVED: u8 = 100;

/// Something that arrived.
pub(crate) enum EditorEvent<'a> {
    /// Sync step 2: everything that the editor lacked.
    Synced(&'a [u8]),
    /// A change of others.
    Update(&'a [u8]),
    /// The update of this event is stored.
    Saved(u64),
    /// What this client has inserted is stored up to this clock.
    Clock(u32),
    /// An update was refused, for this reason.
    Denied(String),
    /// The connection ended.
    Closed(String),
}

/// An editor with its document. Dropping it breaks the connection off.
pub(crate) struct Editor {
    _link: Link,
    shared: Arc<Mutex<Shared>>,
}

/// What the editor and its reading task share. One lock keeps the order of the updates and that of their numbers the same.
struct Shared {
    doc: Doc,
    queue: mpsc::Sender<Message>,
    /// The updates and sync steps 2 that were sent, in order, with their events.
    sent: Vec<Option<u64>>,
    /// How many of these are stored.
    stored: usize,
}

struct Receiver<F> {
    events: F,
    shared: Arc<Mutex<Shared>>,
    applies: bool,
}

impl Editor {
    /// Connects and sends sync step 1. From then on `events` is called for all that arrives. With `applies`, the editor keeps
    /// its document in sync; otherwise it only looks at what arrives.
    ///
    /// # Errors
    /// The server cannot be reached, or refuses the upgrade.
    pub(crate) async fn connect(
        address: &Address,
        token: &str,
        document: &str,
        applies: bool,
        events: impl FnMut(EditorEvent<'_>) + Send + 'static,
    ) -> anyhow::Result<Self> {
        Self::resume(address, (token, document), new_doc(), applies, events).await
    }

    /// Connects as [`Editor::connect`] does, with the Yjs document of an earlier connection. The sync steps exchange what either
    /// side lacks.
    ///
    /// # Errors
    /// As for [`Editor::connect`].
    pub(crate) async fn resume(
        address: &Address,
        (token, document): (&str, &str),
        doc: Doc,
        applies: bool,
        events: impl FnMut(EditorEvent<'_>) + Send + 'static,
    ) -> anyhow::Result<Self> {
        let known = doc.transact().state_vector();
        let request = address.handshake(&format!("sync/{document}?saved=true"), token)?;
        let queue = Queue::new();
        let shared = Shared { doc, queue: queue.sender(), sent: vec![], stored: 0 };
        let shared = Arc::new(Mutex::new(shared));
        let receiver = Receiver { events, shared: Arc::clone(&shared), applies };
        let options = LinkOptions::default();
        let link = Link::open(address.host_and_port(), request, options, queue, receiver).await?;
        let step_1 = message(STEP_1, &known.encode_v1());
        ensure!(link.send(step_1), "the connection ended at once");
        Ok(Self { _link: link, shared })
    }

    /// Inserts a text at the beginning and sends the update as that of an event. Returns whether it was queued.
    pub(crate) fn insert(&self, event: u64, text: &str) -> bool {
        let mut shared = self.shared.lock();
        let (update, _clock) = Self::insert_into(&shared.doc, text);
        shared.send(UPDATE, &update, Some(event))
    }

    /// Inserts a text at the beginning without sending it. Returns the update, and the clock after it.
    pub(crate) fn insert_unsent(&self, text: &str) -> (Vec<u8>, u32) {
        Self::insert_into(&self.shared.lock().doc, text)
    }

    /// Inserts a text at the beginning of a document that no connection uses. Returns the update, and the clock after it.
    pub(crate) fn insert_into(doc: &Doc, text: &str) -> (Vec<u8>, u32) {
        let content = doc.get_or_insert_text(TEXT);
        let mut txn = doc.transact_mut();
        content.insert(&mut txn, 0, text);
        let update = txn.encode_update_v1();
        (update, txn.state_vector().get(&doc.client_id()))
    }

    /// Sends an update that was made elsewhere, as that of an event. Returns whether it was queued.
    pub(crate) fn send_update(&self, event: u64, update: &[u8]) -> bool {
        self.shared.lock().send(UPDATE, update, Some(event))
    }
}

impl Shared {
    /// Sends an update or a sync step 2.
    fn send(&mut self, step: u8, update: &[u8], event: Option<u64>) -> bool {
        self.sent.push(event);
        self.queue.try_send(message(step, update)).is_ok()
    }

    /// Returns the events of the updates up to this number that were not known to be stored.
    fn store(&mut self, number: u64) -> Vec<u64> {
        let number = (number as usize).clamp(self.stored, self.sent.len());
        let events = self.sent[self.stored..number].iter().flatten().copied().collect();
        self.stored = number;
        events
    }
}

impl<F: FnMut(EditorEvent<'_>) + Send + 'static> Receive for Receiver<F> {
    fn receive(&mut self, message: Message) {
        let Message::Binary(bytes) = message else { return };
        let mut rest = Cursor::new(&bytes);
        while rest.has_content() {
            if self.take(&mut rest).is_none() {
                return;
            }
        }
    }

    fn closed(&mut self, reason: String) {
        (self.events)(EditorEvent::Closed(reason));
    }
}

impl<F: FnMut(EditorEvent<'_>)> Receiver<F> {
    /// Takes one message of a frame. `None` if it is not understood; then nothing follows that could be.
    fn take(&mut self, rest: &mut Cursor<'_>) -> Option<()> {
        match rest.read_u8().ok()? {
            SYNC => {
                let step = rest.read_u8().ok()?;
                self.take_sync(step, rest.read_buf().ok()?)?;
            }
            DENIED => {
                rest.read_u8().ok()?;
                let reason = rest.read_string().ok()?.to_owned();
                (self.events)(EditorEvent::Denied(reason));
            }
            SAVED => {
                let mut content = DecoderV1::new(Cursor::new(rest.read_buf().ok()?));
                let _version: u64 = content.read_var().ok()?;
                let stored = StateVector::decode(&mut content).ok()?;
                let client = self.shared.lock().doc.client_id();
                (self.events)(EditorEvent::Clock(stored.get(&client)));
                let number = content.read_var().ok()?;
                let stored = self.shared.lock().store(number);
                stored.into_iter().for_each(|event| (self.events)(EditorEvent::Saved(event)));
            }
            // Awareness and what is unknown have one buffer each.
            _ => {
                rest.read_buf().ok()?;
            }
        }
        Some(())
    }

    fn take_sync(&mut self, step: u8, content: &[u8]) -> Option<()> {
        match step {
            STEP_1 => {
                let known = StateVector::decode_v1(content).ok()?;
                let mut shared = self.shared.lock();
                let missing = shared.doc.transact().encode_state_as_update_v1(&known);
                shared.send(STEP_2, &missing, None);
            }
            STEP_2 => {
                self.apply(content);
                (self.events)(EditorEvent::Synced(content));
            }
            UPDATE => {
                // Before the work on this side, which is not the server's.
                (self.events)(EditorEvent::Update(content));
                self.apply(content);
            }
            _ => return None,
        }
        Some(())
    }

    fn apply(&self, update: &[u8]) {
        if !self.applies {
            return;
        }
        if let Ok(update) = Update::decode_v1(update) {
            // A document that does not accept an update lacks text in the end, which the scenario reports.
            let _applied = self.shared.lock().doc.transact_mut().apply_update(update);
        }
    }
}

/// A document that counts as Yjs does: UTF-16 offsets and client ids of 32 bits.
pub(crate) fn new_doc() -> Doc {
    // The last bits of such an id are random.
    let client = Uuid::now_v7().as_u128() as u32;
    let mut options = Options::with_client_id(ClientID::new(client.into()));
    options.offset_kind = OffsetKind::Utf16;
    Doc::with_options(options)
}

fn message(step: u8, content: &[u8]) -> Message {
    let mut bytes = vec![SYNC, step];
    bytes.write_buf(content);
    Message::binary(bytes)
}
