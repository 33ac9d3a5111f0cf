//! Composition of consecutive deltas.

use super::{
    Delta,
    steps::{Piece, Steps},
};

impl Delta {
    /// Returns the delta with the effect of `self` followed by `next`, which applies to the result of `self`.
    #[must_use]
    pub fn compose(&self, next: &Self) -> Self {
        let (mut first, mut second) = (Steps::new(self), Steps::new(next));
        let mut composed = Self::default();
        loop {
            match (first.peek(), second.peek()) {
                (None, None) => return composed.trimmed(),
                (_, Some(Piece::Insert(text, formats))) => {
                    composed.insert(text, formats);
                    second.take(usize::MAX);
                }
                (_, Some(Piece::Embed(object, formats))) => {
                    composed.embed(object, formats);
                    second.take(usize::MAX);
                }
                (Some(Piece::Delete(units)), _) => {
                    composed.delete(units);
                    first.take(usize::MAX);
                }
                _ => {
                    let units = first.remaining().min(second.remaining());
                    match (first.take(units), second.take(units)) {
                        (Piece::Insert(text, before), Piece::Retain(_, after)) => {
                            composed.insert(text, &before.then(after).of_insertion());
                        }
                        (Piece::Embed(object, before), Piece::Retain(_, after)) => {
                            composed.embed(object, &before.then(after).of_insertion());
                        }
                        (Piece::Retain(units, before), Piece::Retain(_, after)) => {
                            composed.retain(units, &before.then(after));
                        }
                        (Piece::Retain(..), Piece::Delete(units)) => composed.delete(units),
                        // `next` deletes what `self` inserts. All others were taken above.
                        _ => {}
                    }
                }
            }
        }
    }

    /// Returns the delta without the formats that the text has already. `present` retains the text with its formats.
    #[must_use]
    pub fn besides_present(&self, present: &Self) -> Self {
        let (mut steps, mut present) = (Steps::new(self), Steps::new(present));
        let mut new = Self::default();
        while let Some(piece) = steps.peek() {
            match piece {
                Piece::Insert(text, formats) => new.insert(text, formats),
                Piece::Embed(object, formats) => new.embed(object, formats),
                Piece::Retain(..) | Piece::Delete(_) => {
                    let units = steps.remaining().min(present.remaining());
                    match (steps.take(units), present.take(units)) {
                        (Piece::Retain(units, formats), Piece::Retain(_, old)) => {
                            new.retain(units, &formats.besides_present(old));
                        }
                        (Piece::Delete(units), _) => new.delete(units),
                        // Nothing else is read here.
                        _ => {}
                    }
                    continue;
                }
            }
            steps.take(usize::MAX);
        }
        new.trimmed()
    }

    /// Composes consecutive deltas into one. Composes them in pairs, so that many small deltas take `n log n` steps
    /// instead of `n` squared.
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
