//! The content of the items of an update, read without building it.

use std::borrow::Cow;

use super::{
    format_copies::name_number,
    lib0::{Lib0Reader, MAX_VALUE_DEPTH, Malformed},
    outline::{DELETED, EMBED, Outline, STRING, TYPE, read_length},
    subdocuments::is_wrapped,
    unsupported::Replacement,
    update_struct::Rich,
};
use crate::wire::{json_surrogates, json_values::count_values};

/// Kinds of content, besides those that the outline names.
const JSON: u8 = 2;
pub(super) const BINARY: u8 = 3;
const FORMAT: u8 = 6;
const ANY: u8 = 8;
pub(super) const SUBDOCUMENT: u8 = 9;

/// The kinds of shared types that have a name.
const XML_ELEMENT: u64 = 3;
const XML_HOOK: u64 = 5;

/// The content of an item.
pub(super) struct ReadContent {
    /// Its length in clocks.
    pub(super) length: u32,
    /// Whether the library decodes it as Yjs encodes it, or it is a subdocument that can be wrapped.
    pub(super) is_supported: bool,
    /// What it is to the formats of a text.
    pub(super) rich: Rich,
}

impl ReadContent {
    fn supported(length: u32) -> Self {
        Self { length, is_supported: true, rich: Rich::No }
    }
}

/// A JSON text.
struct ReadJson {
    /// Whether the library can parse it.
    is_supported: bool,
    is_null: bool,
}

impl Outline {
    /// Reads the content of an item.
    pub(super) fn read_content(
        &mut self,
        reader: &mut Lib0Reader<'_>,
        kind: u8,
    ) -> Result<ReadContent, Malformed> {
        let (mut is_supported, mut rich) = (true, Rich::No);
        match kind {
            DELETED => return Ok(ReadContent::supported(read_length(reader)?)),
            STRING => {
                let units = reader.text()?.encode_utf16().count();
                let length = u32::try_from(units);
                return length
                    .map(ReadContent::supported)
                    .map_err(|_long| Malformed("a string is too long"));
            }
            ANY | JSON => return read_values(reader, kind),
            BINARY => is_supported = !is_wrapped(reader.buffer()?),
            EMBED => {
                rich = Rich::Object;
                is_supported = self.read_json(reader)?.is_supported;
            }
            FORMAT => {
                let name = name_number(reader.text()?);
                let value = self.read_json(reader)?;
                rich = if value.is_null { Rich::End } else { Rich::Format(name) };
                is_supported = value.is_supported;
            }
            SUBDOCUMENT => {
                reader.text()?;
                // Yjs reads members of the options, and fails for null.
                is_supported = reader.is_at_object();
                is_supported &= reader.skip_value()? <= MAX_VALUE_DEPTH;
            }
            TYPE => {
                self.has_types = true;
                rich = Rich::Object;
                match reader.number()? {
                    // Array, map, text, XML fragment, XML text.
                    0 | 1 | 2 | 4 | 6 => {}
                    XML_ELEMENT => {
                        reader.text()?;
                    }
                    XML_HOOK => {
                        reader.text()?;
                        is_supported = false;
                    }
                    // The library decodes weak links differently from Yjs.
                    _ => return Err(Malformed("a shared type of this kind is not supported")),
                }
            }
            _ => return Err(Malformed("content of this kind is not supported")),
        }
        Ok(ReadContent { length: 1, is_supported, rich })
    }

    /// Reads JSON, and notes halves of surrogate pairs in it.
    fn read_json(&mut self, reader: &mut Lib0Reader<'_>) -> Result<ReadJson, Malformed> {
        let json = reader.text()?;
        let end = reader.position();
        let replaced = json_surrogates::replaced(json);
        // It is a few bytes long, with few exceptions. This finds what is nested too deeply as well.
        let is_supported = count_values(replaced.as_bytes(), usize::MAX).is_ok();
        if is_supported && matches!(replaced, Cow::Owned(_)) {
            self.replacements.push(Replacement::Json(end - json.len(), end));
        }
        Ok(ReadJson { is_supported, is_null: json == "null" })
    }
}

/// Reads values of any type, or the JSON that Yjs wrote instead before 2020 and that is not supported.
fn read_values(reader: &mut Lib0Reader<'_>, kind: u8) -> Result<ReadContent, Malformed> {
    let (count, mut is_supported) = (reader.count(1)?, kind == ANY);
    for _value in 0..count {
        if kind == ANY {
            // A restoration would write it as a subdocument.
            is_supported &= !reader.next_buffer().is_some_and(is_wrapped);
            is_supported &= reader.skip_value()? <= MAX_VALUE_DEPTH;
        } else {
            reader.text()?;
        }
    }
    let length = u32::try_from(count).map_err(|_many| Malformed("an item has too many values"))?;
    if length == 0 && !is_supported {
        return Err(Malformed("an item has no values"));
    }
    Ok(ReadContent { length, is_supported, rich: Rich::No })
}
