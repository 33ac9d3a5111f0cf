//! One delta as if another had been there first.

use super::{
    Delta,
    steps::{Piece, Steps},
};

/// Whose text stands first when both insert at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tie {
    /// The text of the delta that is transformed.
    Mine,
    /// The text of the other one, which was accepted earlier.
    Theirs,
}

impl Delta {
    /// This delta, rewritten to be applied after `other`; both were made for the same text.
    ///
    /// With opposite ties on the two sides, both orders lead to the same text: `a` then `b.transform(a, Theirs)` is
    /// `b` then `a.transform(b, Mine)` (convergence, the property TP1 of operational transformation). A text that is
    /// inserted where the other one deletes stays.
    #[must_use]
    pub fn transform(&self, other: &Self, tie: Tie) -> Self {
        let (mut mine, mut theirs) = (Steps::of(self), Steps::of(other));
        let mut transformed = Self::default();
        loop {
            match (mine.peek(), theirs.peek()) {
                (None, _) => return transformed.finished(),
                (Some(Piece::Insert(text)), theirs)
                    if tie == Tie::Mine || !matches!(theirs, Some(Piece::Insert(_))) =>
                {
                    transformed.insert(text);
                    mine.take(usize::MAX);
                }
                (_, Some(Piece::Insert(_))) => {
                    transformed.retain(theirs.left());
                    theirs.take(usize::MAX);
                }
                _ => {
                    let units = mine.left().min(theirs.left());
                    match (mine.take(units), theirs.take(units)) {
                        // It is gone already.
                        (_, Piece::Delete(_)) => {}
                        (Piece::Delete(units), _) => transformed.delete(units),
                        (_, _) => transformed.retain(units),
                    }
                }
            }
        }
    }
}
