//! One delta after another, as one.

use super::{
    Delta,
    steps::{Piece, Steps},
};

impl Delta {
    /// The delta that does what `self` and then `next` do. `next` fits the text that `self` makes.
    #[must_use]
    pub fn compose(&self, next: &Self) -> Self {
        let (mut first, mut second) = (Steps::of(self), Steps::of(next));
        let mut composed = Self::default();
        loop {
            match (first.peek(), second.peek()) {
                (None, None) => return composed.finished(),
                (_, Some(Piece::Insert(text))) => {
                    composed.insert(text);
                    second.take(usize::MAX);
                }
                (Some(Piece::Delete(units)), _) => {
                    composed.delete(units);
                    first.take(usize::MAX);
                }
                _ => {
                    let units = first.left().min(second.left());
                    match (first.take(units), second.take(units)) {
                        (Piece::Insert(text), Piece::Retain(_)) => composed.insert(text),
                        // What was only just inserted is gone without a trace.
                        (Piece::Insert(_), _) => {}
                        (_, Piece::Delete(units)) => composed.delete(units),
                        (_, _) => composed.retain(units),
                    }
                }
            }
        }
    }

    /// All of `deltas`, one after another, as one. Neighbours are put together first, so that a long list of small
    /// changes takes `n log n` steps rather than `n` squared.
    #[must_use]
    pub fn compose_all(mut deltas: Vec<Self>) -> Self {
        while deltas.len() > 1 {
            let pairs = deltas.chunks(2).map(|pair| match pair {
                [first, second] => first.compose(second),
                [last] => last.clone(),
                _ => Self::default(),
            });
            deltas = pairs.collect();
        }
        deltas.pop().unwrap_or_default()
    }
}
