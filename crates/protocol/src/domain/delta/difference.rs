//! The delta that leads from one text to another.
//!
//! First lines are compared, then the words of lines that differ, then the graphemes of words that differ a little
//! (Unicode Standard Annex 29), so that two people who change different words of a line both keep theirs, and
//! nobody's emoji is taken apart. A word that became another one is replaced whole.

use std::{ops::Range, time::Instant};

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline, diff_ratio};
use unicode_segmentation::UnicodeSegmentation as _;

use super::{Delta, operation::units};

/// What is compared: each level looks into what differs on the one before.
#[derive(Clone, Copy)]
enum Level {
    Lines,
    Words,
    Graphemes,
}

/// Words that have less than this in common (from 0 to 1) are replaced whole.
const ALIKE: f32 = 0.5;

/// A word of more bytes than this is replaced whole: it is no word that somebody corrects.
const MAX_WORD: usize = 512;

impl Delta {
    /// The delta that makes `new` of `old`. After `deadline` what is left is compared coarsely; the result is right
    /// all the same.
    #[must_use]
    pub fn between(old: &str, new: &str, deadline: Instant) -> Self {
        let mut delta = Self::default();
        if old != new {
            compare(old, new, Level::Lines, deadline, &mut delta);
        }
        delta.finished()
    }
}

fn compare(old: &str, new: &str, level: Level, deadline: Instant, delta: &mut Delta) {
    let (old_parts, new_parts) = (level.parts(old), level.parts(new));
    let ops =
        capture_diff_slices_deadline(Algorithm::Myers, &old_parts, &new_parts, Some(deadline));
    if matches!(level, Level::Graphemes)
        && diff_ratio(&ops, old_parts.len(), new_parts.len()) < ALIKE
    {
        return replace(old, new, delta);
    }
    for op in ops {
        let (old, new) = (joined(&old_parts, op.old_range()), joined(&new_parts, op.new_range()));
        match (op, level.next()) {
            (DiffOp::Equal { .. }, _) => delta.retain(units(&old)),
            (DiffOp::Replace { .. }, Some(next)) if next.is_worth_it(&old, &new) => {
                compare(&old, &new, next, deadline, delta);
            }
            (DiffOp::Delete { .. } | DiffOp::Insert { .. } | DiffOp::Replace { .. }, _) => {
                replace(&old, &new, delta);
            }
        }
    }
}

fn replace(old: &str, new: &str, delta: &mut Delta) {
    delta.insert(new);
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

    /// Whether looking that closely at two parts could find anything that they have in common.
    fn is_worth_it(self, old: &str, new: &str) -> bool {
        let (short, long) = (old.len().min(new.len()), old.len().max(new.len()));
        match self {
            Self::Lines | Self::Words => true,
            // Less than a third of the other is less than half in common, whatever is in it.
            Self::Graphemes => long <= MAX_WORD && short * 3 >= long,
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
    use crate::domain::{Content, Op};

    #[allow(clippy::disallowed_methods, reason = "a deadline that is never met in these tests")]
    fn difference(old: &str, new: &str) -> Delta {
        let delta = Delta::between(old, new, Instant::now() + std::time::Duration::from_secs(60));
        assert_eq!(Content::from(old).apply(&delta).unwrap(), *new, "{old:?} to {new:?}");
        delta
    }

    fn ops(old: &str, new: &str) -> Vec<Op> {
        difference(old, new).ops().to_vec()
    }

    #[test]
    fn only_the_words_that_differ_are_touched() {
        assert_eq!(
            ops("the quick brown fox\njumps\n", "the slow brown fox\njumps\n"),
            [Op::Retain(4), Op::Insert("slow".into()), Op::Delete(5)]
        );
    }

    #[test]
    fn within_a_word_only_the_letters_that_differ_are_touched() {
        assert_eq!(ops("a colour here", "a color here"), [Op::Retain(6), Op::Delete(1)]);
    }

    #[test]
    fn a_grapheme_is_never_taken_apart() {
        // A family and a flag share code points with others; a letter with a combining mark is one grapheme.
        let (family, couple) = ("👨‍👩‍👧", "👨‍👩‍👦");
        assert_eq!(ops(family, couple), [Op::Insert(couple.into()), Op::Delete(8)]);
        assert_eq!(ops("🇩🇪", "🇩🇰"), [Op::Insert("🇩🇰".into()), Op::Delete(4)]);
        assert_eq!(
            ops("xe\u{301}x", "xex"),
            [Op::Retain(1), Op::Insert("e".into()), Op::Delete(2)]
        );
    }

    #[test]
    fn the_same_text_makes_no_difference() {
        assert!(difference("höher 🎈\n", "höher 🎈\n").is_empty());
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a deadline that has passed")]
    fn past_the_deadline_the_result_is_coarse_and_right() {
        let (old, new) = ("a b c d e f g h ".repeat(500), "h g f e d c b a ".repeat(500));
        let delta = Delta::between(&old, &new, Instant::now());
        assert_eq!(Content::from(&*old).apply(&delta).unwrap(), *new);
    }
}
