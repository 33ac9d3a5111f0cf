//! A text that deltas are applied to.

use std::fmt;

use ropey::Rope;
use thiserror::Error;

use super::{Delta, Op, operation::units};

/// The text of a document at one version.
///
/// Clones share what they have in common, so keeping the text of many versions costs about what differs between
/// them. `Display` gives the text.
#[derive(Clone, Default)]
pub struct Content(Rope);

/// Why a delta does not fit a text. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Misfit {
    /// It retains or deletes more than there is.
    #[error(
        "The delta reaches {reach} UTF-16 code units into a text of {length}. Check its offsets and `baseVersion`."
    )]
    PastTheEnd {
        /// How far the delta reaches.
        reach: usize,
        /// How long the text is.
        length: usize,
    },
    /// A step begins or ends between the two halves of a surrogate pair.
    #[error(
        "Offset {offset} of the delta is inside a surrogate pair. Move it before or behind the character."
    )]
    InsideCharacter {
        /// Where, in UTF-16 code units from the beginning of the text before the change.
        offset: usize,
    },
}

impl Content {
    /// How long it is, in UTF-16 code units.
    #[must_use]
    pub fn units(&self) -> usize {
        self.0.len_utf16_cu()
    }

    /// How long it is, in bytes of UTF-8.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len_bytes()
    }

    /// Whether `delta` fits this text.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn check(&self, delta: &Delta) -> Result<(), Misfit> {
        let (reach, length) = (delta.reach(), self.units());
        if reach > length {
            return Err(Misfit::PastTheEnd { reach, length });
        }
        let mut offset = 0;
        for op in delta.ops() {
            self.character(offset)?;
            match op {
                Op::Retain(units) | Op::Delete(units) => offset += units,
                Op::Insert(_) => {}
            }
        }
        self.character(offset).map(|_index| ())
    }

    /// The text after `delta`.
    ///
    /// # Errors
    /// [`Misfit`].
    pub fn apply(&self, delta: &Delta) -> Result<Self, Misfit> {
        self.check(delta)?;
        let mut next = self.0.clone();
        let mut offset = 0;
        for op in delta.ops() {
            match op {
                Op::Retain(units) => offset += units,
                Op::Insert(text) => {
                    next.insert(next.utf16_cu_to_char(offset), text);
                    offset += units(text);
                }
                Op::Delete(units) => {
                    let start = next.utf16_cu_to_char(offset);
                    next.remove(start..next.utf16_cu_to_char(offset + units));
                }
            }
        }
        Ok(Self(next))
    }

    /// The character that begins at this offset, which is not behind the end.
    fn character(&self, offset: usize) -> Result<usize, Misfit> {
        let index = self.0.utf16_cu_to_char(offset);
        if self.0.char_to_utf16_cu(index) == offset {
            Ok(index)
        } else {
            Err(Misfit::InsideCharacter { offset })
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self(Rope::from_str(text))
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chunks().try_for_each(|chunk| f.write_str(chunk))
    }
}

/// Never the text: it is what people wrote.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl PartialEq<str> for Content {
    fn eq(&self, text: &str) -> bool {
        self.0 == text
    }
}
