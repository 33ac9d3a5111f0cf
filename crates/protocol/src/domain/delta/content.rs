//! The text that deltas are applied to.

use std::fmt;

use ropey::{Rope, RopeBuilder};
use thiserror::Error;

use super::{Delta, EmbeddedObject, Op, operation::units, steps::bytes_of};
use crate::domain::Position;

/// With more steps, writing the whole text from start to end is faster than changing it in place.
const MAX_OPS_IN_PLACE: usize = 1_000;

/// The plain text of a document at one version, with U+FFFC for each embedded object.
///
/// Clones share memory, so the texts of many versions take little more than their differences. `Display` writes the
/// text.
#[derive(Clone, Default)]
pub struct Content(Rope);

/// The reason why a delta does not fit a text. The text is unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DeltaMismatch {
    /// It retains or deletes past the end of the text.
    #[error(
        "The delta covers {reach} UTF-16 code units of a text of {length}. Check its lengths and `baseVersion`."
    )]
    PastTheEnd {
        /// The length that the delta covers, in UTF-16 code units.
        reach: usize,
        /// The length of the text, in UTF-16 code units.
        length: usize,
    },
    /// A step begins or ends inside a surrogate pair.
    #[error(
        "Offset {offset} of the delta is inside a surrogate pair. Move it before or after the character."
    )]
    InsideCharacter {
        /// The offset in the text before the change, in UTF-16 code units.
        offset: usize,
    },
}

impl Content {
    /// Returns the length in UTF-16 code units.
    #[must_use]
    pub fn units(&self) -> usize {
        self.0.len_utf16_cu()
    }

    /// Returns the length in bytes of UTF-8.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.len_bytes()
    }

    /// Returns whether it contains surrogate pairs.
    #[must_use]
    pub fn has_pairs(&self) -> bool {
        self.0.len_chars() != self.0.len_utf16_cu()
    }

    /// Returns the position of an offset in UTF-16 code units. Clamps the offset to the end of the text.
    #[must_use]
    pub fn position_of(&self, offset: usize) -> Position {
        let offset = offset.min(self.units());
        let line = self.0.char_to_line(self.0.utf16_cu_to_char(offset));
        let start = self.0.char_to_utf16_cu(self.0.line_to_char(line));
        Position::at(line, offset - start)
    }

    /// Returns the offset of a position in UTF-16 code units. If the text has no such position, uses the nearest one
    /// before it.
    #[must_use]
    pub fn offset_of(&self, position: Position) -> usize {
        let (line, column) = (position.line() as usize, position.column() as usize);
        if line >= self.0.len_lines() {
            return self.units();
        }
        let start = self.0.char_to_utf16_cu(self.0.line_to_char(line));
        let is_last = line + 1 == self.0.len_lines();
        // A line ends before its line feed.
        let end = self.0.char_to_utf16_cu(self.0.line_to_char(line + 1)) - usize::from(!is_last);
        let offset = (start + column).min(end);
        // Moves an offset inside a surrogate pair to the start of the pair.
        self.0.char_to_utf16_cu(self.0.utf16_cu_to_char(offset))
    }

    /// Checks that `delta` fits this text.
    ///
    /// # Errors
    /// [`DeltaMismatch`] if it does not.
    pub fn check(&self, delta: &Delta) -> Result<(), DeltaMismatch> {
        let (reach, length) = (delta.reach(), self.units());
        if reach > length {
            return Err(DeltaMismatch::PastTheEnd { reach, length });
        }
        let mut offset = 0;
        for op in delta.ops() {
            self.check_boundary(offset)?;
            offset += op.old_units();
        }
        self.check_boundary(offset)
    }

    /// Returns the text after `delta`.
    ///
    /// # Errors
    /// [`DeltaMismatch`] if `delta` does not fit.
    pub fn apply(&self, delta: &Delta) -> Result<Self, DeltaMismatch> {
        self.check(delta)?;
        if delta.ops().len() > MAX_OPS_IN_PLACE {
            return Ok(self.rewritten(delta));
        }
        let mut next = self.0.clone();
        let mut offset = 0;
        for op in delta.ops() {
            match op {
                Op::Retain(units, _) => offset += units,
                Op::Insert(text, _) => {
                    next.insert(next.utf16_cu_to_char(offset), text);
                    offset += units(text);
                }
                Op::Embed(..) => {
                    next.insert(next.utf16_cu_to_char(offset), EmbeddedObject::CHARACTER);
                    offset += 1;
                }
                Op::Delete(units) => {
                    let start = next.utf16_cu_to_char(offset);
                    next.remove(start..next.utf16_cu_to_char(offset + units));
                }
            }
        }
        Ok(Self(next))
    }

    /// Returns the text after a delta that fits it, written from start to end.
    fn rewritten(&self, delta: &Delta) -> Self {
        let mut next = RopeBuilder::new();
        let (mut chunks, mut chunk) = (self.0.chunks(), "");
        // Passes this many units on, or skips them. None stands for all that are left.
        let mut read = |mut left: Option<usize>, next: Option<&mut RopeBuilder>| {
            let mut next = next;
            while left != Some(0) {
                if chunk.is_empty() {
                    let Some(following) = chunks.next() else { return };
                    chunk = following;
                }
                let end = left.map_or(chunk.len(), |units| bytes_of(chunk, units));
                let (part, rest) = chunk.split_at(end);
                if let Some(next) = next.as_deref_mut() {
                    next.append(part);
                }
                left = left.map(|left| left.saturating_sub(units(part)));
                chunk = rest;
            }
        };
        for op in delta.ops() {
            match op {
                Op::Retain(units, _) => read(Some(*units), Some(&mut next)),
                Op::Insert(text, _) => next.append(text),
                Op::Embed(..) => next.append(EmbeddedObject::CHARACTER),
                Op::Delete(units) => read(Some(*units), None),
            }
        }
        read(None, Some(&mut next));
        Self(next.finish())
    }

    /// Returns whether this offset, in UTF-16 code units, is inside a surrogate pair. Offsets beyond the end are not.
    #[must_use]
    pub fn is_inside_pair(&self, offset: usize) -> bool {
        offset < self.units() && self.check_boundary(offset).is_err()
    }

    /// Checks that this offset, at most the length of the text, is not inside a surrogate pair.
    fn check_boundary(&self, offset: usize) -> Result<(), DeltaMismatch> {
        let index = self.0.utf16_cu_to_char(offset);
        if self.0.char_to_utf16_cu(index) == offset {
            Ok(())
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

/// Shows the size only, to keep document text out of logs.
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
    use crate::domain::delta::formats::NO_FORMATS;

    #[test]
    fn a_delta_of_many_steps_has_the_effect_of_its_steps() {
        let text = "line 🎈 with é\n".repeat(2_000);
        let content = Content::from(&*text);
        let mut delta = Delta::default();
        for line in 0..1_999 {
            delta.retain(if line % 3 == 0 { 5 } else { 7 }, &NO_FORMATS);
            delta.insert("ö", &NO_FORMATS);
            delta.delete(if line % 3 == 0 { 2 } else { 1 });
            delta.retain(if line % 3 == 0 { 8 } else { 7 }, &NO_FORMATS);
        }
        let in_place = |content: &Content, part: &[Op]| {
            let mut delta = Delta::default();
            for op in part {
                match op {
                    Op::Retain(units, formats) => delta.retain(*units, formats),
                    Op::Insert(text, formats) => delta.insert(text, formats),
                    Op::Embed(object, formats) => delta.embed(object, formats),
                    Op::Delete(units) => delta.delete(*units),
                }
            }
            content.apply(&delta)
        };
        let delta = delta.trimmed();
        assert!(delta.ops().len() > MAX_OPS_IN_PLACE);
        // From the last step to the first, each alone, so that no step moves another.
        let (mut expected, mut offset) = (content.clone(), delta.reach());
        for op in delta.ops().iter().rev() {
            offset -= op.old_units();
            if !matches!(op, Op::Retain(..)) {
                let before = Op::Retain(offset, NO_FORMATS.clone());
                expected = in_place(&expected, &[before, op.clone()]).unwrap();
            }
        }
        assert_eq!(content.apply(&delta).unwrap(), expected);
    }

    #[test]
    fn offsets_and_positions_convert_in_both_directions() {
        let content = Content::from("a🎈b\r\n\u{2028}x\n");
        for (offset, line, column) in
            [(0, 0, 0), (3, 0, 3), (5, 0, 5), (6, 1, 0), (8, 1, 2), (9, 2, 0)]
        {
            let position = Position::at(line, column);
            assert_eq!(content.position_of(offset), position, "{offset}");
            assert_eq!(content.offset_of(position), offset);
        }
        assert_eq!(content.offset_of(Position::at(0, 2)), 1, "inside a surrogate pair");
        assert_eq!(content.offset_of(Position::at(0, 99)), 5, "past the end of a line");
        assert_eq!(content.offset_of(Position::at(7, 0)), 9, "past the end of the text");
        assert_eq!(content.position_of(99), Position::at(2, 0));
        assert_eq!(Content::default().offset_of(Position::at(0, 5)), 0);
    }
}
