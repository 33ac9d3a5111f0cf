//! Walking along a delta in pieces of any length.

use super::{Delta, Op, operation::units};

/// A piece of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Retain(usize),
    Insert(&'a str),
    Delete(usize),
}

/// Where a walk along a delta is.
pub(super) struct Steps<'a> {
    rest: std::slice::Iter<'a, Op>,
    /// What is left of the step that was begun.
    current: Option<Piece<'a>>,
    /// The length of `current`, in UTF-16 code units.
    left: usize,
}

impl<'a> Steps<'a> {
    pub(super) fn of(delta: &'a Delta) -> Self {
        let mut steps = Self { rest: delta.ops().iter(), current: None, left: 0 };
        steps.advance();
        steps
    }

    fn advance(&mut self) {
        (self.current, self.left) = match self.rest.next() {
            Some(Op::Retain(units)) => (Some(Piece::Retain(*units)), *units),
            Some(Op::Insert(text)) => (Some(Piece::Insert(text)), units(text)),
            Some(Op::Delete(units)) => (Some(Piece::Delete(*units)), *units),
            None => (None, usize::MAX),
        };
    }

    /// What comes next, whole. At the end of the delta: none, which stands for keeping all the rest.
    pub(super) fn peek(&self) -> Option<Piece<'a>> {
        self.current
    }

    /// How much of the step is left, in UTF-16 code units; at the end of the delta as much as there can be.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Takes `units` of the present step, at most what is left of it. Behind the end everything is kept.
    ///
    /// A text is cut between two characters: all lengths come from deltas that fit the same texts.
    pub(super) fn take(&mut self, units: usize) -> Piece<'a> {
        let Some(piece) = self.current else { return Piece::Retain(units) };
        if units >= self.left {
            self.advance();
            return piece;
        }
        self.left -= units;
        let (taken, rest) = match piece {
            Piece::Retain(_) => (Piece::Retain(units), Piece::Retain(self.left)),
            Piece::Delete(_) => (Piece::Delete(units), Piece::Delete(self.left)),
            Piece::Insert(text) => {
                let (taken, rest) = text.split_at(bytes_of(text, units));
                (Piece::Insert(taken), Piece::Insert(rest))
            }
        };
        self.current = Some(rest);
        taken
    }
}

/// How many bytes the first `units` UTF-16 code units of a text have.
fn bytes_of(text: &str, units: usize) -> usize {
    let mut counted = 0;
    text.char_indices()
        .find(|(_, char)| {
            let here = counted >= units;
            counted += char.len_utf16();
            here
        })
        .map_or(text.len(), |(index, _)| index)
}
