//! The outline of a Yjs update (Yjs 13, update format 1): its structs and deletions, read without building them.
//!
//! An update has a list of structs for each client, at consecutive clocks, and a delete set of clock ranges. An item
//! depends on its left and right origin (its neighbours at insertion) and its parent. All dependencies must be in the
//! document or in the update itself.
//!
//! Invariant: in an accepted update no count exceeds the bytes, no clock overflows, no client occurs twice, no value is
//! nested deeply, and the library decodes all content as Yjs encodes it. Content that it would not decode is replaced before
//! (`unsupported`), or wrapped if it is a subdocument (`subdocuments`).

use std::collections::{HashMap, HashSet};

use thiserror::Error;

use super::{
    SERVER_ROOT,
    conflicts::List,
    deletions::Deletion,
    item_content::{BINARY, ReadContent, SUBDOCUMENT},
    lib0::{Lib0Reader, Malformed},
    unsupported::{ReplacedItem, Replacement},
    update_struct::{Id, ParentRef, Rich, Struct},
};

/// The maximum clock. The library computes differences of clocks in 32 bits.
const MAX_CLOCK: u64 = i32::MAX as u64;

/// Bits of a struct's info byte: whether a left origin, a right origin and a key follow.
pub(super) const HAS_LEFT: u8 = 0x80;
pub(super) const HAS_RIGHT: u8 = 0x40;
const HAS_KEY: u8 = 0x20;
/// The bits of the info byte that have the kind of struct or content.
pub(super) const KIND: u8 = 0x1F;

/// Kinds of structs, and of the content of items. The other kinds of content are in `item_content`.
pub(super) const GC: u8 = 0;
pub(super) const DELETED: u8 = 1;
pub(super) const STRING: u8 = 4;
pub(super) const EMBED: u8 = 5;
pub(super) const TYPE: u8 = 7;
const SKIP: u8 = 10;

/// The reason why an update is rejected before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OutlineError {
    /// It is not validly encoded, or has content of a kind that Yjs does not have.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It has too many structs.
    #[error("it has too many structs")]
    TooManyStructs,
    /// It has too many deleted ranges.
    #[error("it has too many deleted ranges")]
    TooManyDeletions,
    /// Its shared types are nested too deeply or in a cycle, or the parent of an item is not a shared type.
    #[error("its shared types are nested too deeply or in a cycle")]
    TooDeep,
}

/// The structs and deletions of an update.
#[derive(Debug, Default)]
pub struct Outline {
    pub(super) structs: Vec<Struct>,
    /// The origins and parents of its items.
    dependencies: Vec<Id>,
    pub(super) deletions: Vec<Deletion>,
    /// Where the structs end in the update, and its deleted ranges begin.
    pub(super) structs_end: usize,
    /// Whether the update has exactly these deleted ranges: none was joined with another or left out.
    pub(super) has_ranges_of_update: bool,
    pub(super) has_types: bool,
    /// The UTF-16 code units of its text.
    pub(super) text_units: u64,
    /// The shared types and embedded objects in it.
    pub(super) nodes: u64,
    /// The values in maps and lists, those in values included.
    pub(super) values: usize,
    has_non_text: bool,
    /// Whether it has formats, embedded objects or shared types.
    pub(super) has_pieces: bool,
    /// Whether it leaves out some clocks between its structs.
    pub(super) has_skips: bool,
    /// Its items in the root type of the server that name it. Others have origins there.
    in_server_root: Vec<Id>,
    /// What has to be replaced before the library decodes the update, in its order.
    pub(super) replacements: Vec<Replacement>,
}

impl Outline {
    /// Reads the outline of an update with at most `max_structs` structs.
    ///
    /// # Errors
    /// [`OutlineError`], but neither [`OutlineError::TooManyDeletions`] nor [`OutlineError::TooDeep`], which
    /// [`Depths`](super::Depths) finds.
    pub fn read(update: &[u8], max_structs: usize) -> Result<Self, OutlineError> {
        Self::read_bounded(update, max_structs, usize::MAX)
    }

    /// As [`read`](Self::read), with at most `max_deletions` deleted ranges. Clients count as well, if they are more.
    ///
    /// # Errors
    /// [`OutlineError`], but never [`OutlineError::TooDeep`].
    pub fn read_bounded(
        update: &[u8],
        max_structs: usize,
        max_deletions: usize,
    ) -> Result<Self, OutlineError> {
        let mut reader = Lib0Reader::new(update);
        let mut outline = Self::default();
        outline.read_clients(&mut reader, max_structs)?;
        outline.structs_end = reader.position();
        outline.values = reader.skipped_values();
        outline.read_delete_set(&mut reader, max_deletions)?;
        let ranges = outline.deletion_count();
        outline.squash_deletions();
        outline.has_ranges_of_update = outline.deletion_count() == ranges;
        if reader.remaining() > 0 {
            return Err(Malformed("data follows its end").into());
        }
        Ok(outline)
    }

    fn read_clients(
        &mut self,
        reader: &mut Lib0Reader<'_>,
        max_structs: usize,
    ) -> Result<(), OutlineError> {
        // The library would link the structs of a repeated client into its lists twice.
        let mut clients = HashSet::new();
        for _client in 0..reader.count(3)? {
            // A struct has at least two bytes.
            let structs = reader.count(2)?;
            if self.structs.len() + structs > max_structs {
                return Err(OutlineError::TooManyStructs);
            }
            let (client, mut clock) = (reader.number()?, read_clock(reader)?);
            if !clients.insert(client) {
                return Err(REPEATED_CLIENT.into());
            }
            // Also those without structs: the set takes memory.
            if clients.len() > max_structs {
                return Err(OutlineError::TooManyStructs);
            }
            for _struct in 0..structs {
                let length = self.read_struct(reader, Id { client, clock })?;
                clock = advance(clock, length.into())?;
            }
        }
        Ok(())
    }

    fn read_delete_set(
        &mut self,
        reader: &mut Lib0Reader<'_>,
        max_deletions: usize,
    ) -> Result<(), OutlineError> {
        let mut clients = HashSet::new();
        for _client in 0..reader.count(2)? {
            let client = reader.number()?;
            if !clients.insert(client) {
                return Err(REPEATED_CLIENT.into());
            }
            let ranges = reader.count(2)?;
            if clients.len().max(self.deletions.len() + ranges) > max_deletions {
                return Err(OutlineError::TooManyDeletions);
            }
            for _range in 0..ranges {
                let start = read_clock(reader)?;
                let end = advance(start, read_length(reader)?.into())?;
                self.deletions.push(Deletion { client, start, end });
            }
        }
        Ok(())
    }

    /// Reads one struct and returns its length.
    fn read_struct(&mut self, reader: &mut Lib0Reader<'_>, id: Id) -> Result<u32, OutlineError> {
        let first = reader.position();
        let info = reader.byte()?;
        match info {
            SKIP => {
                self.has_skips = true;
                return Ok(read_length(reader)?);
            }
            GC => {
                let length = read_length(reader)?;
                self.has_non_text = true;
                let parent = ParentRef::Root(List::NONE);
                let encoded = (first, reader.position());
                self.structs.push(Struct {
                    id,
                    length,
                    parent,
                    may_have_children: true,
                    rich: Rich::No,
                    encoded,
                });
                return Ok(length);
            }
            _ => {}
        }
        let parent = self.read_parent(reader, id, info)?;
        let kind = info & KIND;
        self.has_non_text |= kind != STRING;
        let content = reader.position();
        let ReadContent { length, is_supported, rich } = self.read_content(reader, kind)?;
        self.has_pieces |= rich != Rich::No;
        let item = ReplacedItem { id, length, info: first, content: (content, reader.position()) };
        match kind {
            SUBDOCUMENT if is_supported => {
                self.replacements.push(Replacement::Subdocument(item));
            }
            BINARY if !is_supported => self.replacements.push(Replacement::Wrapped(item)),
            _ if !is_supported => self.replacements.push(Replacement::LeftOut(item)),
            _ => {}
        }
        match kind {
            STRING => self.text_units += u64::from(length),
            TYPE | EMBED => self.nodes += 1,
            _ => {}
        }
        if length > 0 {
            let may_have_children = matches!(kind, TYPE | DELETED);
            let encoded = (first, reader.position());
            self.structs.push(Struct { id, length, parent, may_have_children, rich, encoded });
        }
        Ok(length)
    }

    /// Reads the origins of the item `id` and, if it has none, its parent and key.
    fn read_parent(
        &mut self,
        reader: &mut Lib0Reader<'_>,
        id: Id,
        info: u8,
    ) -> Result<ParentRef, Malformed> {
        let left = if info & HAS_LEFT != 0 { Some(self.read_dependency(reader)?) } else { None };
        let right = if info & HAS_RIGHT != 0 { Some(self.read_dependency(reader)?) } else { None };
        if left.is_some() && left == right {
            return Err(Malformed("the left and right origin of an item are the same"));
        }
        if left.is_some() || right.is_some() {
            return Ok(ParentRef::Origins(left, right));
        }
        let (name, item) = match reader.number()? {
            1 => (reader.text()?, None),
            _ => ("", Some(self.read_dependency(reader)?)),
        };
        let key = if info & HAS_KEY != 0 { Some(reader.text()?) } else { None };
        if name == SERVER_ROOT {
            self.in_server_root.push(id);
        }
        let list = List::of(name, key);
        Ok(item.map_or(ParentRef::Root(list), |item| ParentRef::Item(item, list)))
    }

    fn read_dependency(&mut self, reader: &mut Lib0Reader<'_>) -> Result<Id, Malformed> {
        let id = Id { client: reader.number()?, clock: read_clock(reader)? };
        self.dependencies.push(id);
        Ok(id)
    }

    /// Returns whether an item holds a shared type.
    #[must_use]
    pub fn has_types(&self) -> bool {
        self.has_types
    }

    /// Returns whether it has structs.
    #[must_use]
    pub fn inserts(&self) -> bool {
        !self.structs.is_empty()
    }

    /// Returns whether it deletes something.
    #[must_use]
    pub fn deletes(&self) -> bool {
        !self.deletions.is_empty()
    }

    /// Returns whether all its structs are text.
    #[must_use]
    pub fn is_text_only(&self) -> bool {
        !self.has_non_text
    }

    /// Returns whether it may change a document. `known` is the clock of each client in the document's state vector.
    #[must_use]
    pub fn may_change(&self, known: impl Fn(u64) -> u32) -> bool {
        self.deletes() || self.new_clients(known).next().is_some()
    }

    /// Returns whether it inserts something at the beginning of the root type of the server, or of a key of it, that a document lacks.
    /// `known` as for [`may_change`](Self::may_change).
    #[must_use]
    pub fn writes_server_root(&self, known: impl Fn(u64) -> u32) -> bool {
        self.in_server_root.iter().any(|id| id.clock >= known(id.client))
    }

    /// Returns the clients of structs that a document lacks, some more than once. `known` is the clock of each client in
    /// the document's state vector.
    pub fn new_clients(&self, known: impl Fn(u64) -> u32) -> impl Iterator<Item = u64> {
        let is_new = move |part: &&Struct| part.end() > known(part.id.client);
        self.structs.iter().filter(is_new).map(|part| part.id.client)
    }

    /// Returns the number of structs that a document lacks, or lacks a part of. `known` as for [`new_clients`](Self::new_clients).
    pub fn new_structs(&self, known: impl Fn(u64) -> u32) -> usize {
        self.new_clients(known).count()
    }

    /// Returns the insertions of a document before which the library may split a struct without inserting there, as clients and
    /// clocks. An insertion between two neighbours splits only where it goes. `known` as for [`new_clients`](Self::new_clients).
    pub fn distant_splits<'a>(
        &'a self,
        known: &'a impl Fn(u64) -> u32,
    ) -> impl Iterator<Item = (u64, u32)> + 'a {
        let is_new = |part: &&Struct| part.id.clock >= known(part.id.client);
        let is_distant = |part: &&Struct| match part.parent {
            ParentRef::Origins(Some(left), Some(right)) => !left.is_before(right),
            _ => true,
        };
        let splits = self.structs.iter().filter(is_new).filter(is_distant);
        let splits = splits.flat_map(|part| part.parent.splits());
        splits.filter(|(client, clock)| *clock < known(*client))
    }

    /// Returns for each struct its client, its clock, and the clock after it.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u32, u32)> {
        let range = |part: &Struct| (part.id.client, part.id.clock, part.end());
        self.structs.iter().map(range)
    }

    /// Returns the clocks that other updates or the document must have before this update can be applied, by client. `None` if
    /// it can never be applied, because it leaves out a part of itself.
    #[must_use]
    pub fn requirements(&self) -> Option<HashMap<u64, u32>> {
        if self.has_skips {
            return None;
        }
        let mut required: HashMap<u64, u32> = HashMap::new();
        let mut own_ends: HashMap<u64, u32> = HashMap::new();
        let mut structs: Vec<&Struct> = self.structs.iter().collect();
        structs.sort_unstable_by_key(|part| (part.id.client, part.id.clock));
        for part in structs {
            let end = own_ends.entry(part.id.client).or_default();
            // The clocks between its own structs, and those before the first, are elsewhere.
            if part.id.clock > *end {
                required.insert(part.id.client, part.id.clock);
            }
            *end = (*end).max(part.end());
        }
        let dependencies =
            self.dependencies.iter().map(|id| (id.client, id.clock.saturating_add(1)));
        let deletions = self.deletions.iter().map(|deletion| (deletion.client, deletion.end));
        for (client, clock) in dependencies.chain(deletions) {
            if own_ends.get(&client).is_none_or(|end| clock > *end) {
                let required = required.entry(client).or_default();
                *required = clock.max(*required);
            }
        }
        Some(required)
    }

    /// Returns whether all its dependencies are in the update or in a document. `known` is the clock of each client in
    /// the document's state vector.
    #[must_use]
    pub fn is_complete(&self, known: impl Fn(u64) -> u32) -> bool {
        let required = self.requirements();
        required.is_some_and(|all| all.into_iter().all(|(client, clock)| clock <= known(client)))
    }
}

const REPEATED_CLIENT: Malformed = Malformed("a client occurs twice");

fn read_clock(reader: &mut Lib0Reader<'_>) -> Result<u32, Malformed> {
    advance(0, reader.number()?)
}

pub(super) fn read_length(reader: &mut Lib0Reader<'_>) -> Result<u32, Malformed> {
    match read_clock(reader)? {
        0 => Err(Malformed("a struct or deleted range is empty")),
        length => Ok(length),
    }
}

/// Returns the clock after a struct of this length.
fn advance(clock: u32, length: u64) -> Result<u32, Malformed> {
    let end = u64::from(clock).saturating_add(length);
    u32::try_from(end)
        .ok()
        .filter(|end| u64::from(*end) <= MAX_CLOCK)
        .ok_or(Malformed("a clock is too large"))
}

#[cfg(test)]
#[path = "outline_tests.rs"]
mod tests;
