//! The delta between two texts.
//!
//! Compares lines, then the words of lines that differ, then the graphemes of similar words (Unicode Standard
//! Annex 29). So the changes of two users to different words of one line both survive, and no emoji is split. A word
//! that has little in common with its replacement is replaced as a whole.

use std::{convert::Infallible, ops::Range, time::Instant};

use similar::{
    Algorithm, DiffOp,
    algorithms::{Capture, Compact, DiffHook, Replace, diff_slices_deadline},
    diff_ratio,
};
use unicode_segmentation::UnicodeSegmentation as _;

use super::{Delta, formats::NO_FORMATS, operation::units};
use crate::domain::{Budget, Exhausted};

/// The unit of comparison. Each level compares the parts that differ on the level before.
#[derive(Clone, Copy)]
enum Level {
    Lines,
    Words,
    Graphemes,
}

/// Words with a lower similarity (0 to 1) are replaced as a whole.
const MIN_SIMILARITY: f32 = 0.5;

/// A longer word, in bytes, is replaced as a whole. It is unlikely to be a word of a language.
const MAX_WORD_BYTES: usize = 512;

impl Delta {
    /// Computes the delta from `old` to `new`. After `until` the rest is compared coarsely, but the delta is still correct.
    #[must_use]
    pub fn between(old: &str, new: &str, until: &CompareUntil) -> Self {
        let mut delta = Self::default();
        if old != new {
            compare(old, new, Level::Lines, until, &mut delta);
        }
        delta.trimmed()
    }
}

/// How long two texts are compared.
#[derive(Debug, Clone)]
pub struct CompareUntil {
    /// The time at which the comparison ends.
    pub deadline: Instant,
    /// The comparison also ends when this budget is stopped. It spends no steps.
    pub budget: Budget,
}

fn compare(old: &str, new: &str, level: Level, until: &CompareUntil, delta: &mut Delta) {
    if until.budget.is_stopped() {
        return replace(old, new, delta);
    }
    let (old_parts, new_parts) = (level.parts(old), level.parts(new));
    let Ok(ops) = differences(&old_parts, &new_parts, until) else {
        return replace(old, new, delta);
    };
    if matches!(level, Level::Graphemes)
        && diff_ratio(&ops, old_parts.len(), new_parts.len()) < MIN_SIMILARITY
    {
        return replace(old, new, delta);
    }
    for op in ops {
        let (old, new) = (joined(&old_parts, op.old_range()), joined(&new_parts, op.new_range()));
        match (op, level.next()) {
            (DiffOp::Equal { .. }, _) => delta.retain(units(&old), &NO_FORMATS),
            (DiffOp::Replace { .. }, Some(next)) if next.is_worth_it(&old, &new) => {
                compare(&old, &new, next, until, delta);
            }
            (DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. }, _) => {
                replace(&old, &new, delta);
            }
        }
    }
}

/// Returns the differences of two lists of parts.
///
/// # Errors
/// The comparison was stopped.
fn differences(old: &[&str], new: &[&str], until: &CompareUntil) -> Result<Vec<DiffOp>, Exhausted> {
    let ops = Compact::new(Replace::new(Capture::new()), old, new);
    let mut stoppable = Stoppable { ops, budget: &until.budget };
    diff_slices_deadline(Algorithm::Myers, &mut stoppable, old, new, Some(until.deadline))?;
    Ok(stoppable.ops.into_inner().into_inner().into_ops())
}

/// Passes the differences that the library finds on, and ends its search when the budget is stopped. On the way to each
/// difference the library searches for some milliseconds at most.
struct Stoppable<'a, D> {
    ops: D,
    budget: &'a Budget,
}

impl<D: DiffHook<Error = Infallible>> Stoppable<'_, D> {
    fn pass_on(
        &mut self,
        pass: impl FnOnce(&mut D) -> Result<(), Infallible>,
    ) -> Result<(), Exhausted> {
        self.budget.spend(0)?;
        pass(&mut self.ops).map_err(|never| match never {})
    }
}

impl<D: DiffHook<Error = Infallible>> DiffHook for Stoppable<'_, D> {
    type Error = Exhausted;

    fn equal(&mut self, old: usize, new: usize, length: usize) -> Result<(), Exhausted> {
        self.pass_on(|ops| ops.equal(old, new, length))
    }

    fn delete(&mut self, old: usize, length: usize, new: usize) -> Result<(), Exhausted> {
        self.pass_on(|ops| ops.delete(old, length, new))
    }

    fn insert(&mut self, old: usize, new: usize, length: usize) -> Result<(), Exhausted> {
        self.pass_on(|ops| ops.insert(old, new, length))
    }

    fn replace(
        &mut self,
        old: usize,
        old_length: usize,
        new: usize,
        new_length: usize,
    ) -> Result<(), Exhausted> {
        self.pass_on(|ops| ops.replace(old, old_length, new, new_length))
    }

    fn finish(&mut self) -> Result<(), Exhausted> {
        self.pass_on(DiffHook::finish)
    }
}

fn replace(old: &str, new: &str, delta: &mut Delta) {
    delta.insert(new, &NO_FORMATS);
    delta.delete(units(old));
}

fn joined(parts: &[&str], range: Range<usize>) -> String {
    parts.get(range).map(<[&str]>::concat).unwrap_or_default()
}

impl Level {
    fn parts(self, text: &str) -> Vec<&str> {
        match self {
            Self::Lines => text.split_inclusive('\n').collect(),
            Self::Words => text.split_word_bounds().collect(),
            Self::Graphemes => text.graphemes(true).collect(),
        }
    }

    /// Returns whether comparing two parts at this level can find anything in common.
    fn is_worth_it(self, old: &str, new: &str) -> bool {
        let (short, long) = (old.len().min(new.len()), old.len().max(new.len()));
        match self {
            Self::Lines | Self::Words => true,
            // With lengths in a ratio below 1:3, the similarity 2 * common / (short + long) is below one half.
            Self::Graphemes => long <= MAX_WORD_BYTES && short * 3 >= long,
        }
    }

    fn next(self) -> Option<Self> {
        match self {
            Self::Lines => Some(Self::Words),
            Self::Words => Some(Self::Graphemes),
            Self::Graphemes => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Content, Op, TextFormats};

    #[allow(clippy::disallowed_methods, reason = "a deadline that these tests never reach")]
    fn difference(old: &str, new: &str) -> Delta {
        let deadline = Instant::now() + std::time::Duration::from_secs(60);
        let until = CompareUntil { deadline, budget: Budget::unlimited() };
        let delta = Delta::between(old, new, &until);
        assert_eq!(Content::from(old).apply(&delta).unwrap(), *new, "{old:?} to {new:?}");
        delta
    }

    fn ops(old: &str, new: &str) -> Vec<Op> {
        difference(old, new).ops().to_vec()
    }

    fn retain(units: usize) -> Op {
        Op::Retain(units, TextFormats::default())
    }

    fn insert(text: &str) -> Op {
        Op::Insert(text.to_owned(), TextFormats::default())
    }

    #[test]
    fn only_differing_words_are_replaced() {
        assert_eq!(
            ops("the quick brown fox\njumps\n", "the slow brown fox\njumps\n"),
            [retain(4), insert("slow"), Op::Delete(5)]
        );
    }

    #[test]
    fn only_differing_letters_of_similar_words_are_replaced() {
        assert_eq!(ops("a colour here", "a color here"), [retain(6), Op::Delete(1)]);
    }

    #[test]
    fn graphemes_are_never_split() {
        // Families and flags share code points. A letter with a combining mark is one grapheme.
        let (family, couple) = ("👨‍👩‍👧", "👨‍👩‍👦");
        assert_eq!(ops(family, couple), [insert(couple), Op::Delete(8)]);
        assert_eq!(ops("🇩🇪", "🇩🇰"), [insert("🇩🇰"), Op::Delete(4)]);
        assert_eq!(ops("xe\u{301}x", "xex"), [retain(1), insert("e"), Op::Delete(2)]);
    }

    #[test]
    fn equal_texts_have_an_empty_difference() {
        assert!(difference("höher 🎈\n", "höher 🎈\n").is_empty());
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a deadline that has already passed")]
    fn after_the_deadline_the_difference_is_still_correct() {
        let (old, new) = ("a b c d e f g h ".repeat(500), "h g f e d c b a ".repeat(500));
        let until = CompareUntil { deadline: Instant::now(), budget: Budget::unlimited() };
        let delta = Delta::between(&old, &new, &until);
        assert_eq!(Content::from(&*old).apply(&delta).unwrap(), *new);
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a deadline that this test never reaches")]
    fn a_stopped_comparison_replaces_the_text() {
        let (old, new) = ("a b c d e f g h ".repeat(500), "h g f e d c b a ".repeat(500));
        let deadline = Instant::now() + std::time::Duration::from_secs(60);
        let until = CompareUntil { deadline, budget: Budget::unlimited() };
        until.budget.stop();
        let whole = [insert(&new), Op::Delete(8_000)];
        assert_eq!(Delta::between(&old, &new, &until).ops(), whole);
        // Also if it is stopped while the library searches.
        let (old, new) = (Level::Words.parts(&old), Level::Words.parts(&new));
        assert_eq!(differences(&old, &new, &until), Err(Exhausted::Stopped));
    }
}
