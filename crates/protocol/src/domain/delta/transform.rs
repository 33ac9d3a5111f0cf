//! Operational transformation of concurrent deltas.

use super::{
    Delta,
    formats::NO_FORMATS,
    steps::{Piece, Steps},
};

/// Which delta comes first: its text when both insert at the same offset, and its format when both set the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// The transformed delta.
    Mine,
    /// The other delta.
    Theirs,
}

impl Delta {
    /// Rebases this delta onto `other`, which applies to the same text.
    ///
    /// With opposite ties both orders produce the same text and formats: `a` then `b.transform(a, Theirs)` equals `b` then
    /// `a.transform(b, Mine)` (property TP1 of operational transformation). A text inserted inside a range that the
    /// other delta deletes is kept.
    #[must_use]
    pub fn transform(&self, other: &Self, tie: Tie) -> Self {
        let (mut mine, mut theirs) = (Steps::new(self), Steps::new(other));
        let mut transformed = Self::default();
        loop {
            match (mine.peek(), theirs.peek()) {
                (None, _) => return transformed.trimmed(),
                (Some(Piece::Insert(text, formats)), next)
                    if tie == Tie::Mine || !next.is_some_and(Piece::is_insertion) =>
                {
                    transformed.insert(text, formats);
                    mine.take(usize::MAX);
                }
                (Some(Piece::Embed(object, formats)), next)
                    if tie == Tie::Mine || !next.is_some_and(Piece::is_insertion) =>
                {
                    transformed.embed(object, formats);
                    mine.take(usize::MAX);
                }
                (_, Some(Piece::Insert(..) | Piece::Embed(..))) => {
                    transformed.retain(theirs.remaining(), &NO_FORMATS);
                    theirs.take(usize::MAX);
                }
                _ => {
                    let units = mine.remaining().min(theirs.remaining());
                    match (mine.take(units), theirs.take(units)) {
                        // `other` has already deleted it.
                        (_, Piece::Delete(_)) => {}
                        (Piece::Delete(units), _) => transformed.delete(units),
                        (Piece::Retain(units, formats), Piece::Retain(_, others)) => {
                            transformed.retain(units, &formats.beside(others, tie));
                        }
                        // Insertions were taken above.
                        _ => {}
                    }
                }
            }
        }
    }
}
