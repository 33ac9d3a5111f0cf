//! Operational transformation of concurrent deltas.

use super::{
    Delta,
    steps::{Piece, Steps},
};

/// Which inserted text comes first when both deltas insert at the same offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// The text of the transformed delta.
    Mine,
    /// The text of the other delta.
    Theirs,
}

impl Delta {
    /// Rebases this delta onto `other`, which applies to the same text.
    ///
    /// With opposite ties both orders produce the same text: `a` then `b.transform(a, Theirs)` equals `b` then
    /// `a.transform(b, Mine)` (property TP1 of operational transformation). A text inserted inside a range that the
    /// other delta deletes is kept.
    #[must_use]
    pub fn transform(&self, other: &Self, tie: Tie) -> Self {
        let (mut mine, mut theirs) = (Steps::new(self), Steps::new(other));
        let mut transformed = Self::default();
        loop {
            match (mine.peek(), theirs.peek()) {
                (None, _) => return transformed.trimmed(),
                (Some(Piece::Insert(text)), theirs)
                    if tie == Tie::Mine || !matches!(theirs, Some(Piece::Insert(_))) =>
                {
                    transformed.insert(text);
                    mine.take(usize::MAX);
                }
                (_, Some(Piece::Insert(_))) => {
                    transformed.retain(theirs.remaining());
                    theirs.take(usize::MAX);
                }
                _ => {
                    let units = mine.remaining().min(theirs.remaining());
                    match (mine.take(units), theirs.take(units)) {
                        // `other` has already deleted it.
                        (_, Piece::Delete(_)) => {}
                        (Piece::Delete(units), _) => transformed.delete(units),
                        (_, _) => transformed.retain(units),
                    }
                }
            }
        }
    }
}
