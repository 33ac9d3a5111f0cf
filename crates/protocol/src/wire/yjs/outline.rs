//! What an update consists of (Yjs 13, update format 1), found without making any of it.
//!
//! An update is a list of structs for each client, each at a clock of its own, and the ranges of clocks that were
//! deleted. An item hangs on others: its neighbours when it was inserted, and its parent. All of that has to be known
//! where the update is applied, or in the update itself.
//!
//! Of what comes through here no count is larger than the bytes there are, no clock overflows, nothing stands in it twice,
//! values are not nested deep, and there is nothing in it that the library reads otherwise than Yjs writes it.

use std::collections::{HashMap, HashSet};

use thiserror::Error;

use super::lib0::{Lib0Reader, Malformed};

/// Clocks end here: the library computes with differences of them in 32 bits.
const MAX_CLOCK: u64 = i32::MAX as u64;

/// Bits of a struct's first byte: which neighbours are named, and whether there is a key.
const HAS_LEFT: u8 = 0x80;
const HAS_RIGHT: u8 = 0x40;
const HAS_KEY: u8 = 0x20;
const KIND: u8 = 0x1F;

/// Kinds of structs, and of what items hold.
const GONE: u8 = 0;
const DELETED: u8 = 1;
const BINARY: u8 = 3;
const STRING: u8 = 4;
const EMBED: u8 = 5;
const FORMAT: u8 = 6;
const TYPE: u8 = 7;
const ANY: u8 = 8;
const SKIP: u8 = 10;

/// Kinds of types.
const XML_ELEMENT: u64 = 3;

/// Which insertion: the client, and the clock that it had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Id {
    pub(super) client: u64,
    pub(super) clock: u32,
}

/// What was deleted of a client: up to which clock.
#[derive(Debug, Clone, Copy)]
struct Deleted {
    client: u64,
    end: u32,
}

/// Where an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParentRef {
    /// In a type that has a name, or nowhere any more.
    Root,
    /// In this type.
    Within(Id),
    /// Where its neighbours are, of which there is one at least.
    Beside(Option<Id>, Option<Id>),
}

/// A struct of an update.
#[derive(Debug, Clone, Copy)]
pub(super) struct Struct {
    pub(super) id: Id,
    pub(super) length: u32,
    pub(super) place: ParentRef,
    /// Whether others may be in it: it is a type, or was one.
    pub(super) may_hold: bool,
}

/// Why an update is refused as soon as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OutlineError {
    /// It is no update, or one with something in it that is not supported.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It has more structs than an update may have. Of deleted ranges there may be any number: whoever comes back names
    /// all there ever were.
    #[error("it has more structs than allowed")]
    TooManyStructs,
    /// Its types are nested deeper than they may be.
    #[error("its types are nested too deep")]
    TooDeep,
}

/// What an update consists of.
#[derive(Debug, Default)]
pub struct Outline {
    pub(super) structs: Vec<Struct>,
    /// What its items hang on.
    needs: Vec<Id>,
    deletes: Vec<Deleted>,
    has_types: bool,
    /// Something in it is no text.
    has_others: bool,
    /// Some clocks between others were left out.
    has_holes: bool,
}

impl Outline {
    /// Looks through an update of at most so many structs.
    ///
    /// # Errors
    /// [`OutlineError`].
    pub fn read(update: &[u8], most_structs: usize) -> Result<Self, OutlineError> {
        let mut reader = Lib0Reader::new(update);
        let mut outline = Self::default();
        // The library links what comes twice into its lists twice.
        let mut clients = HashSet::new();
        for _client in 0..reader.count(3)? {
            // The least that a struct takes are two bytes.
            let structs = reader.count(2)?;
            if outline.structs.len() + structs > most_structs {
                return Err(OutlineError::TooManyStructs);
            }
            let (client, mut clock) = (reader.number()?, clock(&mut reader)?);
            if !clients.insert(client) {
                return Err(Malformed("a client stands in it twice").into());
            }
            for _struct in 0..structs {
                let length = outline.read_struct(&mut reader, Id { client, clock })?;
                clock = after(clock, length.into())?;
            }
        }
        clients.clear();
        for _client in 0..reader.count(2)? {
            let ranges_of = reader.number()?;
            if !clients.insert(ranges_of) {
                return Err(Malformed("a client stands in it twice").into());
            }
            let ranges = reader.count(2)?;
            for _range in 0..ranges {
                let start = clock(&mut reader)?;
                let end = after(start, length(&mut reader)?.into())?;
                outline.deletes.push(Deleted { client: ranges_of, end });
            }
        }
        if reader.left() > 0 {
            return Err(Malformed("it goes on behind its end").into());
        }
        Ok(outline)
    }

    /// Reads one struct, and says how long it is.
    fn read_struct(&mut self, reader: &mut Lib0Reader<'_>, id: Id) -> Result<u32, OutlineError> {
        let info = reader.byte()?;
        match info {
            SKIP => {
                self.has_holes = true;
                return Ok(length(reader)?);
            }
            GONE => {
                let length = length(reader)?;
                self.has_others = true;
                self.structs.push(Struct { id, length, place: ParentRef::Root, may_hold: true });
                return Ok(length);
            }
            _ => {}
        }
        let left = if info & HAS_LEFT != 0 { Some(self.need(reader)?) } else { None };
        let right = if info & HAS_RIGHT != 0 { Some(self.need(reader)?) } else { None };
        if left.is_some() && left == right {
            return Err(Malformed("something in it stands between a thing and itself").into());
        }
        let place = match (left, right) {
            (Some(_), _) | (_, Some(_)) => ParentRef::Beside(left, right),
            (None, None) => {
                let place = match reader.number()? {
                    1 => {
                        reader.text()?;
                        ParentRef::Root
                    }
                    _ => ParentRef::Within(self.need(reader)?),
                };
                if info & HAS_KEY != 0 {
                    reader.text()?;
                }
                place
            }
        };
        let kind = info & KIND;
        self.has_others |= kind != STRING;
        let length = self.read_content(reader, kind)?;
        if length > 0 {
            let may_hold = matches!(kind, TYPE | DELETED);
            self.structs.push(Struct { id, length, place, may_hold });
        }
        Ok(length)
    }

    fn read_content(&mut self, reader: &mut Lib0Reader<'_>, kind: u8) -> Result<u32, OutlineError> {
        match kind {
            DELETED => return Ok(length(reader)?),
            STRING => {
                let units = reader.text()?.encode_utf16().count();
                return Ok(u32::try_from(units).map_err(|_long| Malformed("a text is too long"))?);
            }
            ANY => {
                let count = reader.count(1)?;
                for _value in 0..count {
                    reader.skip_value()?;
                }
                return Ok(u32::try_from(count).map_err(|_many| Malformed("too many values"))?);
            }
            BINARY => {
                reader.buffer()?;
            }
            EMBED => {
                reader.text()?;
            }
            FORMAT => {
                reader.text()?;
                reader.text()?;
            }
            TYPE => {
                self.has_types = true;
                match reader.number()? {
                    // Array, map, text, XML fragment, XML text.
                    0 | 1 | 2 | 4 | 6 => {}
                    XML_ELEMENT => {
                        reader.text()?;
                    }
                    // XML hooks and weak links are read otherwise than they are written.
                    _ => return Err(Malformed("a type of this kind is not supported").into()),
                }
            }
            // Of documents within documents the server knows nothing; JSON is what Yjs wrote before 2020.
            _ => return Err(Malformed("content of this kind is not supported").into()),
        }
        Ok(1)
    }

    fn need(&mut self, reader: &mut Lib0Reader<'_>) -> Result<Id, Malformed> {
        let id = Id { client: reader.number()?, clock: clock(reader)? };
        self.needs.push(id);
        Ok(id)
    }

    /// How many structs it has.
    #[must_use]
    pub fn structs(&self) -> usize {
        self.structs.len()
    }

    /// Whether some of its items are types that hold others.
    #[must_use]
    pub fn has_types(&self) -> bool {
        self.has_types
    }

    /// Whether it inserts something, whether it deletes something, and whether all of what it inserts is text.
    #[must_use]
    pub fn does(&self) -> (bool, bool, bool) {
        (!self.structs.is_empty(), !self.deletes.is_empty(), !self.has_others)
    }

    /// Whether it may change a document that knows so much of each client.
    #[must_use]
    pub fn may_change(&self, known: impl Fn(u64) -> u32) -> bool {
        !self.deletes.is_empty() || self.newcomers(known).next().is_some()
    }

    /// The clients of which it has something that a document does not, that knows so much of each; some more than once.
    pub fn newcomers(&self, known: impl Fn(u64) -> u32) -> impl Iterator<Item = u64> {
        let is_new = move |part: &&Struct| part.id.clock + part.length > known(part.id.client);
        self.structs.iter().filter(is_new).map(|part| part.id.client)
    }

    /// For each of its structs the client, its clock, and the clock after it.
    pub fn ranges(&self) -> impl Iterator<Item = (u64, u32, u32)> {
        let range = |part: &Struct| (part.id.client, part.id.clock, part.id.clock + part.length);
        self.structs.iter().map(range)
    }

    /// Whether everything that it hangs on is there, where so much of each client is known.
    #[must_use]
    pub fn is_complete(&self, known: impl Fn(u64) -> u32) -> bool {
        let mut reach: HashMap<u64, u32> = HashMap::new();
        let mut parts: Vec<&Struct> = self.structs.iter().collect();
        parts.sort_unstable_by_key(|part| (part.id.client, part.id.clock));
        for part in parts {
            let reached = reach.entry(part.id.client).or_insert_with(|| known(part.id.client));
            if part.id.clock > *reached {
                return false;
            }
            *reached = (*reached).max(part.id.clock + part.length);
        }
        let reach = |client: u64| reach.get(&client).copied().unwrap_or_else(|| known(client));
        !self.has_holes
            && self.needs.iter().all(|need| need.clock < reach(need.client))
            && self.deletes.iter().all(|deleted| deleted.end <= reach(deleted.client))
    }
}

fn clock(reader: &mut Lib0Reader<'_>) -> Result<u32, Malformed> {
    after(0, reader.number()?)
}

fn length(reader: &mut Lib0Reader<'_>) -> Result<u32, Malformed> {
    match clock(reader)? {
        0 => Err(Malformed("a struct of no length")),
        length => Ok(length),
    }
}

fn after(clock: u32, length: u64) -> Result<u32, Malformed> {
    let end = u64::from(clock).saturating_add(length);
    u32::try_from(end)
        .ok()
        .filter(|end| u64::from(*end) <= MAX_CLOCK)
        .ok_or(Malformed("a clock is too large"))
}

#[cfg(test)]
#[path = "outline_tests.rs"]
mod tests;
