//! The replica of a document: its text as a Yjs document, beside the plain text.
//!
//! Each accepted delta becomes a Yjs update here. What a delta does is known before it is applied, so nothing observes
//! the Yjs text: finding the delta of a transaction again would walk through all of it.
//!
//! A replica that was loaded has a client id of its own, which nobody used before (a random one of 32 bits, which is
//! what Yjs 13 uses), so that what a failed commit left behind can never be mistaken for something that was stored.
//!
//! Each document begins with a mark: something that was inserted under an id larger than any client's. Whoever has
//! another mark than this one has a document with another history, though it may have the same name and text.

use std::collections::HashMap;

use bytes::Bytes;
use thiserror::Error;
use yrs::{
    Any, ClientID, Doc, GetString as _, In, Map as _, OffsetKind, Options, Out, ReadTxn as _,
    StateVector, Text as _, TextRef, Transact as _, Update,
    types::{Delta as YjsStep, text::YChange},
    updates::{decoder::Decode as _, encoder::Encode as _},
};

use super::panic_guard::guarded;
use protocol::{
    domain::{Content, Delta, DeltaMismatch, Op},
    wire::yjs::{Depths, MAX_CLIENT, Outline},
};

/// What the text is called in the Yjs document: `doc.getText('content')`.
pub(crate) const TEXT: &str = "content";

/// The map that holds the mark of a document's history, and under which key.
const MARKS: &str = "coscribe";
const MARK: &str = "history";

/// What stands in the plain text for something that is no character, such as an image.
pub(crate) const OBJECT: &str = "\u{FFFC}";

/// A stored state or update is no Yjs v1 update, or does not belong to this document.
#[derive(Debug, Clone, Error)]
#[error("a stored state cannot be read: {0}")]
pub struct CorruptDocument(String);

impl CorruptDocument {
    /// A stored change does not fit the text that those before it made.
    pub fn log(misfit: &DeltaMismatch) -> Self {
        Self(misfit.to_string())
    }
}

/// Why a delta was not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// It does not fit the text.
    #[error(transparent)]
    DeltaMismatch(#[from] DeltaMismatch),
    /// The text would become too large.
    #[error("the text would have {size} bytes of at most {limit}")]
    TooLarge {
        /// The bytes that it would have.
        size: usize,
        /// The bytes that it may have.
        limit: usize,
    },
}

/// A document in memory.
pub struct Replica {
    pub(crate) doc: Doc,
    pub(crate) text: TextRef,
    pub(crate) content: Content,
    /// How many bytes it has as an update.
    pub(crate) weight: Weight,
    /// How deep types are nested, once somebody wanted to know.
    pub(crate) depths: Option<Depths>,
}

impl Replica {
    fn empty(client: ClientID) -> Self {
        let mut options = Options::with_client_id(client);
        options.offset_kind = OffsetKind::Utf16;
        // What formatting has become superfluous is for editors to say.
        options.cleanup_formatting = false;
        let doc = Doc::with_options(options);
        let text = doc.get_or_insert_text(TEXT);
        Self { doc, text, content: Content::default(), weight: Weight::default(), depths: None }
    }

    /// A new document with this text, and with a history of its own.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let mark = fresh_mark();
        let mut replica = Self::empty(mark);
        let marks = replica.doc.get_or_insert_map(MARKS);
        {
            let mut txn = replica.doc.transact_mut();
            marks.insert(&mut txn, MARK, format!("{:x}", mark.get()));
            if !text.is_empty() {
                replica.text.insert(&mut txn, 0, text);
            }
        }
        replica.content = Content::from(text);
        replica.weight.add(text.len());
        replica
    }

    /// The document of a stored state.
    ///
    /// # Errors
    /// [`CorruptDocument`].
    pub fn load(state: &[u8]) -> Result<Self, CorruptDocument> {
        Self::empty(fresh_client_id()).followed_by([state])
    }

    /// The document after these updates, which were accepted in this order.
    ///
    /// # Errors
    /// [`CorruptDocument`].
    pub fn followed_by<'a>(
        mut self,
        updates: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, CorruptDocument> {
        let weight = &mut self.weight;
        let applied = guarded(&self.doc, |txn| {
            for update in updates {
                weight.add(update.len());
                let update = Update::decode_v1(update).map_err(|error| error.to_string())?;
                txn.apply_update(update).map_err(|error| error.to_string())?;
            }
            Ok(())
        });
        applied.map_err(CorruptDocument)?;
        self.depths = None;
        self.content = Content::from(&*self.plain_text());
        Ok(self)
    }

    /// Takes in an update that was accepted after everything that is in here, and made this text.
    ///
    /// # Errors
    /// [`CorruptDocument`]: the replica is of no use any more.
    pub fn take_in(&mut self, update: &[u8], content: Content) -> Result<(), CorruptDocument> {
        self.weight.add(update.len());
        if let Some(depths) = &mut self.depths {
            let known = self.doc.transact().state_vector();
            let known = |client: u64| known.get(&ClientID::new(client));
            let outline = Outline::read(update, usize::MAX);
            let added = outline.and_then(|outline| depths.add(&outline, known));
            added.map_err(|error| CorruptDocument(error.to_string()))?;
        }
        let applied = guarded(&self.doc, |txn| {
            let update = Update::decode_v1(update).map_err(|error| error.to_string())?;
            txn.apply_update(update).map_err(|error| error.to_string())
        });
        applied.map_err(CorruptDocument)?;
        self.content = content;
        Ok(())
    }

    /// The plain text of a stored state.
    ///
    /// # Errors
    /// [`CorruptDocument`].
    pub fn text_of(state: &[u8]) -> Result<Content, CorruptDocument> {
        Self::load(state).map(|replica| replica.content)
    }

    /// Applies a delta and gives it back as a Yjs v1 update, unless the text would have more than `limit` bytes.
    ///
    /// # Errors
    /// [`ApplyError`]; nothing was changed.
    pub fn apply(&mut self, delta: &Delta, limit: usize) -> Result<Bytes, ApplyError> {
        let content = self.content.apply(delta)?;
        // A text that is too large already, under a smaller limit than it was written with, may still shrink.
        if content.bytes() > limit && content.bytes() > self.content.bytes() {
            return Err(ApplyError::TooLarge { size: content.bytes(), limit });
        }
        let steps: Vec<YjsStep<In>> = delta.ops().iter().map(yjs_step).collect();
        let mut txn = self.doc.transact_mut();
        self.text.apply_delta(&mut txn, steps);
        let update = txn.encode_update_v1();
        drop(txn);
        self.content = content;
        self.weight.add(update.len());
        Ok(update.into())
    }

    /// The text. Clones are cheap.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The whole state as one Yjs v1 update.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    /// What somebody misses who knows so much of each client, as one Yjs v1 update.
    pub fn since(&self, clocks: &[(u64, u32)]) -> Vec<u8> {
        let known: HashMap<_, _, _> =
            clocks.iter().map(|(client, clock)| (ClientID::new(*client), *clock)).collect();
        self.doc.transact().encode_state_as_update_v1(&StateVector::new(known))
    }

    /// How much it knows of each client, as a Yjs v1 state vector.
    pub fn state_vector(&self) -> Vec<u8> {
        self.doc.transact().state_vector().encode_v1()
    }

    /// How much it knows of each client.
    pub fn clocks(&self) -> HashMap<u64, u32> {
        let known = self.doc.transact().state_vector();
        known.iter().map(|(client, clock)| (client.get(), *clock)).collect()
    }

    /// Whether somebody who knows this of each client knows another history of the document.
    pub fn is_foreign_to(&self, clocks: &[(u64, u32)]) -> bool {
        let known = self.doc.transact().state_vector();
        clocks.iter().any(|(client, clock)| {
            *client > MAX_CLIENT && *clock > known.get(&ClientID::new(*client))
        })
    }

    /// About how many bytes it has as an update.
    pub fn weight(&self) -> usize {
        self.weight.bytes
    }

    /// How many bytes it would have at most with so many more. What is only estimated is measured where it matters.
    pub fn weight_with(&mut self, bytes: usize, limit: usize) -> usize {
        if self.weight.is_estimate && self.weight.bytes + bytes > limit {
            self.weighs(self.state().len());
        }
        self.weight.bytes + bytes
    }

    /// It was measured.
    pub fn weighs(&mut self, bytes: usize) {
        self.weight = Weight { bytes, is_estimate: false };
    }

    /// The text as a string. What is in it that is no character is one [`OBJECT`] each.
    pub fn plain_text(&self) -> String {
        let txn = self.doc.transact();
        let text = self.text.get_string(&txn);
        if text.encode_utf16().count() == self.text.len(&txn) as usize {
            return text;
        }
        let chunks = self.text.diff(&txn, YChange::identity);
        let chunk = |insert: Out| match insert {
            Out::Any(Any::String(text)) => text.to_string(),
            _ => OBJECT.to_owned(),
        };
        chunks.into_iter().map(|diff| chunk(diff.insert)).collect()
    }
}

/// How many bytes something has as an update.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weight {
    bytes: usize,
    /// Updates that were applied count in full, though they mostly take less together.
    is_estimate: bool,
}

impl Weight {
    pub(crate) fn add(&mut self, bytes: usize) {
        *self = Self { bytes: self.bytes + bytes, is_estimate: true };
    }
}

fn yjs_step(op: &Op) -> YjsStep<In> {
    // A text is at most `limits.document` long, which is less than 2^32 units.
    let length = |units: usize| u32::try_from(units).unwrap_or(u32::MAX);
    match op {
        Op::Retain(units) => YjsStep::Retain(length(*units), None),
        Op::Insert(text) => YjsStep::Inserted(In::Any(Any::String(text.as_str().into())), None),
        Op::Delete(units) => YjsStep::Deleted(length(*units)),
    }
}

/// The mark of a new history: an id that no client has, of at most 53 bits.
fn fresh_mark() -> ClientID {
    const MARKS: u64 = (1 << 53) - 1 - MAX_CLIENT;
    let random = getrandom::u64().unwrap_or_else(|_none| ClientID::random().get());
    ClientID::new(MAX_CLIENT + 1 + random % MARKS)
}

/// Random, and from the system rather than from a clock: nodes that start at the same moment must not agree.
fn fresh_client_id() -> ClientID {
    let random = getrandom::u32().map_or_else(|_none| ClientID::random().get(), u64::from);
    ClientID::new(random & MAX_CLIENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(json: &str) -> Delta {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn an_update_does_for_another_what_the_delta_did_here() {
        let mut replica = Replica::of("a🎈b\n");
        let state = replica.state();
        let first =
            replica.apply(&delta(r#"[{"retain":3},{"insert":"ö👍"},{"delete":1}]"#), 100).unwrap();
        let second =
            replica.apply(&delta(r#"[{"delete":1},{"retain":2},{"insert":"x"}]"#), 100).unwrap();

        assert_eq!(*replica.content(), *"🎈xö👍\n", "{}", replica.content());
        let other = Replica::load(&state).unwrap().followed_by([&*first, &*second]).unwrap();
        assert_eq!(other.content(), replica.content());
        assert_eq!(Replica::text_of(&replica.state()).unwrap(), *replica.content());
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut replica = Replica::of("🎈");
        for wrong in [r#"[{"retain":1},{"insert":"x"}]"#, r#"[{"delete":1}]"#, r#"[{"delete":3}]"#]
        {
            replica.apply(&delta(wrong), 100).unwrap_err();
        }
        let large = replica.apply(&delta(r#"[{"insert":"123"}]"#), 6);
        assert_eq!(large.unwrap_err(), ApplyError::TooLarge { size: 7, limit: 6 });
        assert_eq!(Replica::text_of(&replica.state()).unwrap(), *"🎈");
    }

    #[test]
    fn garbage_is_refused() {
        assert!(Replica::load(b"no update").is_err());
    }
}
