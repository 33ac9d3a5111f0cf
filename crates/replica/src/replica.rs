//! The Yjs document of a document, with its plain text.
//!
//! [`Replica::apply`] turns an accepted delta into a Yjs update. The delta is known, so no observer computes it: that
//! would walk through the whole text.
//!
//! Each loaded replica has a new random client id of 32 bits, as Yjs 13 assigns. So structs of a failed commit never have
//! the ids of stored structs.
//!
//! Each document begins with a history mark: an insertion under a client id larger than those of Yjs. A document with a
//! different mark has another history, even with the same id and text.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use protocol::{
    domain::{Budget, Content, Delta, DeltaMismatch, EmbeddedObject, Exhausted, Op},
    wire::yjs::{ClientClocks, Depths, MAX_CLIENT, Outline, OutlineError},
};
use thiserror::Error;
use yrs::{
    Any, ClientID, Doc, GetString as _, OffsetKind, Options, Out, ReadTxn as _, StateVector,
    Text as _, TextRef, Transact as _, Update, types::text::YChange, updates::encoder::Encode as _,
};

use super::{
    conflicts::ConflictMeter,
    delta_steps::{most_formats, yjs_step},
    format_limit::{FormatMeter, TooManyFormats, growth_of},
    marks::{Marks, fresh_mark},
    panic_guard::guarded,
    parts::apply_stored,
    splits::split_at_steps,
    structs::{StructMeter, most_added_by_delta, most_added_by_op},
    weight::Weight,
};

/// The name of the text's root type: `doc.getText('content')`.
pub(crate) const TEXT: &str = "content";

/// A stored state or update is not a valid Yjs v1 update, or stored changes do not fit each other.
#[derive(Debug, Clone, Error)]
#[error("the stored document is corrupt: {0}")]
pub struct CorruptDocument(pub(crate) String);

impl CorruptDocument {
    /// Creates the error for a stored delta that does not fit the text of the version before.
    pub fn log(mismatch: &DeltaMismatch) -> Self {
        Self(mismatch.to_string())
    }
}

/// The reason why a stored state or update was not applied.
#[derive(Debug, Clone, Error)]
pub enum StateError {
    /// It is not valid.
    #[error(transparent)]
    Corrupt(#[from] CorruptDocument),
    /// It has more structs than the budget, or the work was stopped.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

/// The limits of a delta.
#[derive(Debug, Clone)]
pub struct ApplyBounds<'a> {
    /// The maximum size of the text, in bytes of UTF-8.
    pub text: usize,
    /// The maximum number of structs in the document.
    pub structs: usize,
    /// The steps that may be spent: one for each step of the delta.
    pub budget: &'a Budget,
}

/// The reason why a delta was not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ApplyError {
    /// It does not fit the text.
    #[error(transparent)]
    DeltaMismatch(#[from] DeltaMismatch),
    /// The text would become too large.
    #[error("the text would have {size} bytes; the limit is {limit}")]
    TooLarge {
        /// The resulting size in bytes.
        size: usize,
        /// The maximum size in bytes.
        limit: usize,
    },
    /// The document would have too many structs.
    #[error("the document has {limit} structs")]
    TooManyStructs {
        /// The maximum number.
        limit: usize,
    },
    /// The formats of the document would be copied too often.
    #[error("the formats of the document would be copied more than {limit} times")]
    TooManyFormats {
        /// The maximum of the names of formats in a text times its pieces, added up over the texts.
        limit: u64,
    },
    /// It was stopped, or the budget ended.
    #[error(transparent)]
    Exhausted(#[from] Exhausted),
}

impl From<TooManyFormats> for ApplyError {
    fn from(TooManyFormats { limit }: TooManyFormats) -> Self {
        Self::TooManyFormats { limit }
    }
}

/// The Yjs document and plain text of an open document.
pub struct Replica {
    pub(crate) doc: Doc,
    pub(crate) text: TextRef,
    pub(crate) content: Content,
    /// The size of the encoded state.
    pub(crate) weight: Weight,
    /// The nesting of shared types. `None` until the first update with such a type.
    pub(crate) depths: Option<Depths>,
    pub(crate) conflicts: ConflictMeter,
    pub(crate) structs: StructMeter,
    pub(crate) formats: FormatMeter,
    /// Whether the text may have formats. While it has none, nobody reads them before a change.
    pub(crate) may_have_formats: AtomicBool,
    /// Whether it becomes the document of a state that has a history mark.
    pub(crate) is_adopting: bool,
}

impl Replica {
    /// The name of the root type that has the plain text.
    pub const TEXT_ROOT: &'static str = TEXT;

    /// The Yjs v1 update that changes nothing.
    pub const EMPTY_UPDATE: &'static [u8] = Update::EMPTY_V1;

    pub(crate) fn empty(client: ClientID) -> Self {
        let mut options = Options::with_client_id(client);
        options.offset_kind = OffsetKind::Utf16;
        // Leaves the removal of redundant formatting to the editors.
        options.cleanup_formatting = false;
        let doc = Doc::with_options(options);
        let text = doc.get_or_insert_text(TEXT);
        Self {
            doc,
            text,
            content: Content::default(),
            weight: Weight::default(),
            depths: None,
            conflicts: ConflictMeter::default(),
            structs: StructMeter::default(),
            formats: FormatMeter::default(),
            may_have_formats: AtomicBool::new(true),
            is_adopting: false,
        }
    }

    /// Creates a document with this text and a new history mark.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::with_body(text, None)
    }

    /// Creates a document with this text and a new history mark, whose body is the root type with this name. `None` if the body is
    /// found by what is written.
    #[must_use]
    pub fn with_body(text: &str, body: Option<&str>) -> Self {
        let mark = fresh_mark();
        let mut replica = Self::empty(mark);
        let marks = {
            let mut txn = replica.doc.transact_mut();
            let marks = Marks::write(&mut txn, mark, body);
            if !text.is_empty() {
                replica.text.insert(&mut txn, 0, text);
            }
            marks
        };
        replica.content = Content::from(text);
        replica.weight.add(text.len());
        replica.structs = StructMeter::counted(1 + marks);
        replica.may_have_formats = AtomicBool::new(false);
        replica
    }

    /// Loads a document from its stored state. Spends a step for each struct, before the library sees any of them, and asks
    /// the budget again after each few of them.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn load(state: &[u8], budget: &Budget) -> Result<Self, StateError> {
        Self::empty(fresh_client_id()).followed_by([state], budget)
    }

    /// Returns the same document, to be changed by another client. Spends as many steps as [`load`](Self::load).
    ///
    /// # Errors
    /// [`StateError`].
    pub(crate) fn written_by(self, client: u64, budget: &Budget) -> Result<Self, StateError> {
        let state = self.state();
        drop(self);
        Self::empty(ClientID::new(client)).followed_by([&*state], budget)
    }

    /// Returns the document after these stored updates, in this order. Spends as many steps as [`load`](Self::load).
    ///
    /// # Errors
    /// [`StateError`].
    pub fn followed_by<'a>(
        mut self,
        updates: impl IntoIterator<Item = &'a [u8]>,
        budget: &Budget,
    ) -> Result<Self, StateError> {
        let Self { doc, text, weight, structs, formats, .. } = &mut self;
        let applied = guarded(doc, |txn| {
            for update in updates {
                let mut outline = read_stored(update)?;
                if let Err(exhausted) = budget.spend(outline.struct_count()) {
                    return Ok(Err(exhausted));
                }
                weight.add(update.len());
                formats.add(outline.format_growth(|_client| 0));
                match structs.most() {
                    0 => *structs = StructMeter::of(&outline),
                    _ => structs.add_update(&outline),
                }
                let size = structs.most();
                if let Err(exhausted) = apply_stored(text, txn, update, &mut outline, size, budget)?
                {
                    return Ok(Err(exhausted));
                }
            }
            Ok(Ok(()))
        });
        applied.map_err(CorruptDocument)??;
        self.depths = None;
        self.may_have_formats = AtomicBool::new(true);
        self.content = Content::from(&*self.plain_text());
        Ok(self)
    }

    /// Applies the stored update of the next version, whose text is `content`.
    ///
    /// # Errors
    /// [`CorruptDocument`] if the update is not valid. The replica must then be dropped.
    pub fn apply_stored(&mut self, update: &[u8], content: Content) -> Result<(), CorruptDocument> {
        self.weight.add(update.len());
        let mut outline = read_stored(update).map_err(CorruptDocument)?;
        self.inspect_stored(&outline).map_err(|error| CorruptDocument(error.to_string()))?;
        self.structs.add_update(&outline);
        self.formats.add(outline.format_growth(|_client| 0));
        if !outline.is_text_only() {
            self.may_have_formats = AtomicBool::new(true);
        }
        let (size, budget) = (self.structs.most(), Budget::unlimited());
        let applied = guarded(&self.doc, |txn| {
            apply_stored(&self.text, txn, update, &mut outline, size, &budget)
        });
        // A budget without end is not exhausted.
        applied.map_err(CorruptDocument)?.map_err(|error| CorruptDocument(error.to_string()))?;
        self.content = content;
        Ok(())
    }

    /// Notes the depths of types and the work of insertions that a stored update adds.
    fn inspect_stored(&mut self, outline: &Outline) -> Result<(), OutlineError> {
        // A document may have many clients.
        let clocks = match self.depths.is_some() || self.conflicts.needs_clocks(outline) {
            true => self.doc.transact().state_vector(),
            false => StateVector::default(),
        };
        let known = |client: u64| clocks.get(&ClientID::new(client));
        self.conflicts.add(outline, known)?;
        self.conflicts.confirm();
        match &mut self.depths {
            Some(depths) => depths.add(outline, known),
            None => Ok(()),
        }
    }

    /// Returns the text of a stored state, and whether another root type was named as the body.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn text_of(state: &[u8], budget: &Budget) -> Result<(Content, bool), StateError> {
        let replica = Self::load(state, budget)?;
        let has_other_body = replica.named_body().is_some_and(|name| name != TEXT);
        Ok((replica.content, has_other_body))
    }

    /// Returns the most structs that a delta adds to end the formats around what it inserts, and to begin them again.
    fn most_added_around(&self, delta: &Delta) -> usize {
        let inserts = |op: &&Op| matches!(op, Op::Insert(..) | Op::Embed(..));
        let insertions = delta.ops().iter().filter(inserts).count();
        if insertions == 0 || !self.may_have_formats.load(Ordering::Relaxed) {
            return 0;
        }
        let formats = most_formats(&self.text, &self.doc.transact());
        self.may_have_formats.store(formats > 0, Ordering::Relaxed);
        insertions.saturating_mul(2 * formats)
    }

    /// Applies a delta and returns it as a Yjs v1 update. The update is [empty](Self::EMPTY_UPDATE) if the text has the formats of the
    /// delta already.
    ///
    /// # Errors
    /// [`ApplyError`]. The text is unchanged.
    pub fn apply(
        &mut self,
        delta: &Delta,
        ApplyBounds { text: limit, structs, budget }: ApplyBounds<'_>,
    ) -> Result<Bytes, ApplyError> {
        budget.spend(delta.ops().len())?;
        let content = self.content.apply(delta)?;
        let around = self.most_added_around(delta);
        budget.spend(around)?;
        let added = most_added_by_delta(delta.ops()) + around;
        let inserts = |op: &Op| !matches!(op, Op::Delete(_)) && most_added_by_op(op) > 0;
        if delta.ops().iter().any(inserts) && !self.may_have_more_structs(added, structs) {
            return Err(ApplyError::TooManyStructs { limit: structs });
        }
        // A text may exceed a limit that was lowered after it was written. It may still shrink.
        if content.bytes() > limit && content.bytes() > self.content.bytes() {
            return Err(ApplyError::TooLarge { size: content.bytes(), limit });
        }
        if delta.rich_bytes() > 0 || around > 0 {
            self.check_formats(growth_of(delta.ops(), around), &[])?;
        }
        let mut txn = self.doc.transact_mut();
        split_at_steps(&self.text, &mut txn, delta.ops());
        budget.spend(0)?;
        self.text.apply_delta(&mut txn, delta.ops().iter().map(yjs_step).collect::<Vec<_>>());
        let update = txn.encode_update_v1();
        drop(txn);
        if delta.rich_bytes() > 0 {
            self.may_have_formats = AtomicBool::new(true);
        }
        self.content = content;
        self.weight.add(update.len());
        self.conflicts.add_text_bytes(update.len());
        self.structs.add(added);
        Ok(update.into())
    }

    /// Returns the text, which is cheap to clone.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Encodes the whole state as one Yjs v1 update.
    #[must_use]
    pub fn state(&self) -> Vec<u8> {
        self.doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    /// Encodes everything missing from a state vector as one Yjs v1 update. `clocks` are its clients and clocks; those that the
    /// document does not have are ignored.
    pub fn since(&self, clocks: impl IntoIterator<Item = (u64, u32)>) -> Vec<u8> {
        let txn = self.doc.transact();
        let document = txn.state_vector();
        let clocks = clocks.into_iter().map(|(client, clock)| (ClientID::new(client), clock));
        let known: HashMap<_, _, _> =
            clocks.filter(|(client, _clock)| document.contains_client(client)).collect();
        txn.encode_state_as_update_v1(&StateVector::new(known))
    }

    /// Encodes the state vector in format v1.
    pub fn state_vector(&self) -> Vec<u8> {
        self.doc.transact().state_vector().encode_v1()
    }

    /// Returns the clock of each client in the state vector.
    pub fn clocks(&self) -> HashMap<u64, u32> {
        let known = self.doc.transact().state_vector();
        known.iter().map(|(client, clock)| (client.get(), *clock)).collect()
    }

    /// Returns whether the state vector with these clocks has a different history mark.
    pub fn is_foreign_to(&self, clocks: &ClientClocks) -> bool {
        let known = self.doc.transact().state_vector();
        clocks
            .iter()
            .any(|(client, clock)| client > MAX_CLIENT && clock > known.get(&ClientID::new(client)))
    }

    /// Returns the text, with one U+FFFC for each embedded object.
    pub fn plain_text(&self) -> String {
        let txn = self.doc.transact();
        let text = self.text.get_string(&txn);
        if text.encode_utf16().count() == self.text.len(&txn) as usize {
            return text;
        }
        let chunks = self.text.diff(&txn, YChange::identity);
        let chunk = |insert: Out| match insert {
            Out::Any(Any::String(text)) => text.to_string(),
            _ => EmbeddedObject::CHARACTER.to_owned(),
        };
        chunks.into_iter().map(|diff| chunk(diff.insert)).collect()
    }
}

pub(crate) fn read_stored(update: &[u8]) -> Result<Outline, String> {
    Outline::read(update, usize::MAX).map_err(|error| error.to_string())
}

/// Returns a random client id from the operating system, so that nodes that start at the same time differ.
pub(crate) fn fresh_client_id() -> ClientID {
    let random = getrandom::u32().map_or_else(|_none| ClientID::random().get(), u64::from);
    ClientID::new(random & MAX_CLIENT)
}

#[cfg(test)]
#[path = "replica_tests.rs"]
mod tests;
