//! A text that deltas are applied to.

use std::fmt;

use ropey::Rope;
use thiserror::Error;

use super::{Delta, Op, operation::units};
use crate::domain::Position;

/// The text of a document at one version.
///
/// Clones share what they have in common, so keeping the text of many versions costs about what differs between
/// them. `Display` gives the text.
#[derive(Clone, Default)]
pub struct Content(Rope);

/// Why a delta does not fit a text. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DeltaMismatch {
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

    /// Whether it has characters that take two UTF-16 code units.
    #[must_use]
    pub fn has_pairs(&self) -> bool {
        self.0.len_chars() != self.0.len_utf16_cu()
    }

    /// The line and column of an offset in UTF-16 code units. What is behind the end is at the end.
    #[must_use]
    pub fn position_of(&self, offset: usize) -> Position {
        let offset = offset.min(self.units());
        let line = self.0.char_to_line(self.0.utf16_cu_to_char(offset));
        let begin = self.0.char_to_utf16_cu(self.0.line_to_char(line));
        Position::at(line, offset - begin)
    }

    /// The offset of a position, in UTF-16 code units; where there is no such position, of the next one before it.
    #[must_use]
    pub fn offset_of(&self, position: Position) -> usize {
        let (line, column) = (position.line() as usize, position.column() as usize);
        if line >= self.0.len_lines() {
            return self.units();
        }
        let begin = self.0.char_to_utf16_cu(self.0.line_to_char(line));
        let is_last = line + 1 == self.0.len_lines();
        // Its end is before the line feed.
        let end = self.0.char_to_utf16_cu(self.0.line_to_char(line + 1)) - usize::from(!is_last);
        let offset = (begin + column).min(end);
        // Not between the two halves of a pair.
        self.0.char_to_utf16_cu(self.0.utf16_cu_to_char(offset))
    }

    /// Whether `delta` fits this text.
    ///
    /// # Errors
    /// [`DeltaMismatch`].
    pub fn check(&self, delta: &Delta) -> Result<(), DeltaMismatch> {
        let (reach, length) = (delta.reach(), self.units());
        if reach > length {
            return Err(DeltaMismatch::PastTheEnd { reach, length });
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
    /// [`DeltaMismatch`].
    pub fn apply(&self, delta: &Delta) -> Result<Self, DeltaMismatch> {
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
    fn character(&self, offset: usize) -> Result<usize, DeltaMismatch> {
        let index = self.0.utf16_cu_to_char(offset);
        if self.0.char_to_utf16_cu(index) == offset {
            Ok(index)
        } else {
            Err(DeltaMismatch::InsideCharacter { offset })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_lines_and_columns_of_utf_16_and_back() {
        let content = Content::from("a🎈b\r\n\u{2028}x\n");
        for (offset, line, column) in
            [(0, 0, 0), (3, 0, 3), (5, 0, 5), (6, 1, 0), (8, 1, 2), (9, 2, 0)]
        {
            let position = Position::at(line, column);
            assert_eq!(content.position_of(offset), position, "{offset}");
            assert_eq!(content.offset_of(position), offset);
        }
        assert_eq!(content.offset_of(Position::at(0, 2)), 1, "inside a pair");
        assert_eq!(content.offset_of(Position::at(0, 99)), 5, "behind the end of a line");
        assert_eq!(content.offset_of(Position::at(7, 0)), 9, "behind the end");
        assert_eq!(content.position_of(99), Position::at(2, 0));
        assert_eq!(Content::default().offset_of(Position::at(0, 5)), 0);
    }
}
