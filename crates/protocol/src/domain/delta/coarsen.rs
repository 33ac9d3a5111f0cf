//! Coarsening of deltas with very many steps.

use std::cmp::Reverse;

use super::{Delta, Op, formats::NO_FORMATS, steps::bytes_of};

/// A change of the text at one place has at most this many steps: a retain before it, an insertion and a deletion.
const STEPS_PER_CHANGE: usize = 3;

impl Delta {
    /// Returns a delta with at most `max_steps` steps that has the same result for `text`, which this delta fits.
    ///
    /// Replaces the shortest retained parts without formats between two changes by themselves, so that the two become one. Of parts of one
    /// length it replaces some all over the text, so that no replaced stretch is long: the edits of others inside it cannot be
    /// merged word by word. The steps are as they were if they are few enough. At least one change is left.
    #[must_use]
    pub fn coarsened(self, text: &str, max_steps: usize) -> Self {
        if self.ops().len() <= max_steps {
            return self;
        }
        let kept = self.longest_retains((max_steps / STEPS_PER_CHANGE).saturating_sub(1));
        let (mut coarse, mut rest) = (Self::default(), text);
        for (op, is_kept) in self.ops().iter().zip(kept) {
            let units = op.old_units();
            let (part, after) = rest.split_at(bytes_of(rest, units));
            rest = after;
            match op {
                Op::Insert(inserted, formats) => coarse.insert(inserted, formats),
                Op::Embed(object, formats) => coarse.embed(object, formats),
                Op::Retain(_, formats) if is_kept || !formats.is_empty() => {
                    coarse.retain(units, formats);
                }
                Op::Retain(..) => {
                    coarse.insert(part, &NO_FORMATS);
                    coarse.delete(units);
                }
                Op::Delete(_) => coarse.delete(units),
            }
        }
        coarse.trimmed()
    }

    /// Marks the retain before the first change and the `count` longest between two changes.
    fn longest_retains(&self, count: usize) -> Vec<bool> {
        let mut between = Vec::new();
        for (index, op) in self.ops().iter().enumerate().skip(1) {
            if let Op::Retain(units, _) = op {
                // In the order of their reversed bits, any number of the first ones is spread evenly.
                let rank = u32::try_from(between.len()).unwrap_or(u32::MAX);
                between.push((Reverse(*units), rank.reverse_bits(), index));
            }
        }
        between.sort_unstable();
        let mut kept = vec![false; self.ops().len()];
        let first = std::iter::once(0);
        for index in first.chain(between.into_iter().take(count).map(|(_, _, index)| index)) {
            if let Some(is_kept) = kept.get_mut(index) {
                *is_kept = true;
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(json: &str) -> Delta {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_closest_changes_become_one() {
        let fine = delta(
            r#"[{"retain":1},{"insert":"A"},{"retain":1},{"delete":1},{"retain":4},{"insert":"B"}]"#,
        );
        let coarse = fine.clone().coarsened("0🎈34567", 100);
        assert_eq!(coarse, fine);
        let fine = delta(
            r#"[{"retain":1},{"insert":"A"},{"retain":2},{"delete":1},{"retain":4},{"insert":"B"}]"#,
        );
        let coarse = fine.coarsened("0🎈34567", 5);
        assert_eq!(coarse, delta(r#"[{"retain":1},{"insert":"A🎈4567B"},{"delete":7}]"#));
    }

    #[test]
    fn of_parts_of_one_length_some_are_kept_all_over_the_text() {
        let line = 10;
        let text = "x".repeat(line * 1_000);
        let steps = |_line: usize| format!(r#"{{"insert":"y"}},{{"retain":{line}}}"#);
        let steps: Vec<String> = (0..1_000).map(steps).collect();
        let coarse = delta(&format!("[{}]", steps.join(","))).coarsened(&text, 300);
        assert!(coarse.ops().len() <= 300);
        let longest = coarse.ops().iter().map(|op| match op {
            Op::Delete(units) => *units,
            Op::Insert(..) | Op::Embed(..) | Op::Retain(..) => 0,
        });
        // A tenth of the changes is left.
        assert!(longest.max().unwrap() <= 40 * line);
    }

    #[test]
    fn the_longest_unchanged_parts_are_kept() {
        let fine = delta(
            r#"[{"insert":"A"},{"retain":1},{"insert":"B"},{"retain":3},{"insert":"C"},{"retain":1},{"insert":"D"}]"#,
        );
        let coarse = fine.coarsened("01234", 6);
        let expected =
            r#"[{"insert":"A0B"},{"delete":1},{"retain":3},{"insert":"C4D"},{"delete":1}]"#;
        assert_eq!(coarse, delta(expected));
    }
}
