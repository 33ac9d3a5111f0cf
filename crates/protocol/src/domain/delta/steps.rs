//! Iteration over a delta in pieces of any length.

use super::{Delta, EmbeddedObject, Op, TextFormats, formats::NO_FORMATS, operation::units};

/// A step or a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Retain(usize, &'a TextFormats),
    Insert(&'a str, &'a TextFormats),
    Embed(&'a EmbeddedObject, &'a TextFormats),
    Delete(usize),
}

impl Piece<'_> {
    pub(super) fn is_insertion(self) -> bool {
        matches!(self, Self::Insert(..) | Self::Embed(..))
    }
}

/// An iterator over a delta whose caller chooses the length of each piece.
pub(super) struct Steps<'a> {
    rest: std::slice::Iter<'a, Op>,
    /// The unread part of the current step. `None` at the end of the delta.
    current: Option<Piece<'a>>,
    /// The length of `current` in UTF-16 code units. `usize::MAX` at the end of the delta.
    remaining: usize,
}

impl<'a> Steps<'a> {
    pub(super) fn new(delta: &'a Delta) -> Self {
        let mut steps = Self { rest: delta.ops().iter(), current: None, remaining: 0 };
        steps.advance();
        steps
    }

    fn advance(&mut self) {
        (self.current, self.remaining) = match self.rest.next() {
            Some(Op::Retain(units, formats)) => (Some(Piece::Retain(*units, formats)), *units),
            Some(Op::Insert(text, formats)) => (Some(Piece::Insert(text, formats)), units(text)),
            Some(Op::Embed(object, formats)) => (Some(Piece::Embed(object, formats)), 1),
            Some(Op::Delete(units)) => (Some(Piece::Delete(*units)), *units),
            None => (None, usize::MAX),
        };
    }

    /// Returns the unread part of the current step. `None` at the end of the delta, which retains the rest of the text.
    pub(super) fn peek(&self) -> Option<Piece<'a>> {
        self.current
    }

    /// Returns the length of the unread part in UTF-16 code units, or `usize::MAX` at the end of the delta.
    pub(super) fn remaining(&self) -> usize {
        self.remaining
    }

    /// Reads the next `units` of the current step, or its whole unread part if that is shorter. At the end of the delta
    /// returns a retain.
    ///
    /// It never splits a character, because all lengths come from deltas that fit the same texts.
    pub(super) fn take(&mut self, units: usize) -> Piece<'a> {
        let Some(piece) = self.current else { return Piece::Retain(units, &NO_FORMATS) };
        if units >= self.remaining {
            self.advance();
            return piece;
        }
        self.remaining -= units;
        let (taken, rest) = match piece {
            Piece::Retain(_, formats) => {
                (Piece::Retain(units, formats), Piece::Retain(self.remaining, formats))
            }
            Piece::Delete(_) => (Piece::Delete(units), Piece::Delete(self.remaining)),
            Piece::Insert(text, formats) => {
                let (taken, rest) = text.split_at(bytes_of(text, units));
                (Piece::Insert(taken, formats), Piece::Insert(rest, formats))
            }
            // Its length is 1, so it was read as a whole.
            Piece::Embed(..) => return piece,
        };
        self.current = Some(rest);
        taken
    }
}

/// Returns the size of the first `units` UTF-16 code units of a text, in bytes of UTF-8.
pub(super) fn bytes_of(text: &str, units: usize) -> usize {
    let mut counted = 0;
    text.char_indices()
        .find(|(_, char)| {
            let is_reached = counted >= units;
            counted += char.len_utf16();
            is_reached
        })
        .map_or(text.len(), |(index, _)| index)
}
