//! Compose and transform against a model that is slow and obvious.
//!
//! The model is a text whose every character carries an identity: a delta is then no more than which characters are
//! deleted and what is inserted before which, and "both orders lead to the same" can be read off.

use proptest::prelude::*;

use super::{Content, Delta, DeltaStep, Tie};

/// Characters of one and of two code units, a combining mark, and a joiner.
const ALPHABET: [char; 8] = ['a', 'b', ' ', '\n', 'ö', '\u{301}', '🎈', '\u{200d}'];

/// What is to be done at a place, as random numbers; made into a delta that fits a text.
#[derive(Debug, Clone)]
enum PlannedDelta {
    Keep(usize),
    Insert(Vec<usize>),
    Delete(usize),
}

fn wishes() -> impl Strategy<Value = Vec<PlannedDelta>> {
    let wish = prop_oneof![
        (0..6_usize).prop_map(PlannedDelta::Keep),
        prop::collection::vec(0..ALPHABET.len(), 1..4).prop_map(PlannedDelta::Insert),
        (1..5_usize).prop_map(PlannedDelta::Delete),
    ];
    prop::collection::vec(wish, 0..8)
}

fn text() -> impl Strategy<Value = String> {
    let char = (0..ALPHABET.len()).prop_map(|index| ALPHABET[index]);
    prop::collection::vec(char, 0..20).prop_map(String::from_iter)
}

fn letters(indices: &[usize]) -> String {
    indices.iter().map(|index| ALPHABET[*index]).collect()
}

/// The delta that these wishes make on `text`, whole characters at a time.
fn delta(text: &str, wishes: &[PlannedDelta]) -> Delta {
    let mut chars = text.chars();
    let mut span = |count: usize| {
        let units: usize = chars.by_ref().take(count).map(char::len_utf16).sum();
        (units > 0).then(|| i64::try_from(units).unwrap())
    };
    let steps = wishes.iter().filter_map(|wish| match wish {
        PlannedDelta::Keep(count) => {
            Some(DeltaStep { retain: Some(span(*count)?), ..DeltaStep::default() })
        }
        PlannedDelta::Delete(count) => {
            Some(DeltaStep { delete: Some(span(*count)?), ..DeltaStep::default() })
        }
        PlannedDelta::Insert(indices) => {
            Some(DeltaStep { insert: Some(letters(indices)), ..DeltaStep::default() })
        }
    });
    Delta::from_steps(steps.collect::<Vec<_>>()).unwrap()
}

fn applied(text: &str, delta: &Delta) -> String {
    Content::from(text).apply(delta).unwrap().to_string()
}

/// The model: for each gap of the old text what is inserted there, and for each old character whether it stays.
struct Model {
    inserted: Vec<String>,
    stays: Vec<bool>,
}

impl Model {
    fn of(text: &str, delta: &Delta) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut model =
            Self { inserted: vec![String::new(); chars.len() + 1], stays: vec![true; chars.len()] };
        let mut at = 0;
        for step in delta.steps() {
            if let Some(text) = step.insert {
                model.inserted[at].push_str(&text);
            }
            let mut units = step.retain.or(step.delete).unwrap_or(0);
            while units > 0 {
                model.stays[at] = step.delete.is_none();
                units -= i64::try_from(chars[at].len_utf16()).unwrap();
                at += 1;
            }
        }
        model
    }

    fn text(&self, old: &str) -> String {
        let mut new = String::new();
        for (at, char) in old.chars().enumerate() {
            new.push_str(&self.inserted[at]);
            if self.stays[at] {
                new.push(char);
            }
        }
        new + self.inserted.last().unwrap()
    }

    /// What both wanted, `self` first where they meet.
    fn merged(&self, other: &Self) -> Self {
        let both = self.inserted.iter().zip(&other.inserted);
        let stays = self.stays.iter().zip(&other.stays);
        Self {
            inserted: both.map(|(first, second)| format!("{first}{second}")).collect(),
            stays: stays.map(|(first, second)| *first && *second).collect(),
        }
    }
}

proptest! {
    #[test]
    fn applying_is_what_the_model_does(text in text(), wishes in wishes()) {
        let delta = delta(&text, &wishes);
        prop_assert_eq!(applied(&text, &delta), Model::of(&text, &delta).text(&text));
    }

    #[test]
    fn composing_is_one_after_the_other(text in text(), first in wishes(), second in wishes()) {
        let first = delta(&text, &first);
        let between = applied(&text, &first);
        let second = delta(&between, &second);
        let composed = first.compose(&second);
        prop_assert_eq!(applied(&text, &composed), applied(&between, &second));
        // And it is in normal form: written down and read again it is the same.
        prop_assert_eq!(Delta::from_steps(composed.steps()).unwrap(), composed);
    }

    #[test]
    fn composing_many_is_composing_one_by_one(text in text(), many in prop::collection::vec(wishes(), 0..6)) {
        let mut now = text.clone();
        let mut deltas = Vec::new();
        for wishes in many {
            let delta = delta(&now, &wishes);
            now = applied(&now, &delta);
            deltas.push(delta);
        }
        prop_assert_eq!(applied(&text, &Delta::compose_all(deltas)), now);
    }

    #[test]
    fn both_orders_lead_to_what_both_wanted(text in text(), first in wishes(), second in wishes()) {
        let (first, second) = (delta(&text, &first), delta(&text, &second));
        let wanted = Model::of(&text, &first).merged(&Model::of(&text, &second)).text(&text);

        let second_later = second.transform(&first, Tie::Theirs);
        let first_later = first.transform(&second, Tie::Mine);

        prop_assert_eq!(&applied(&applied(&text, &first), &second_later), &wanted);
        prop_assert_eq!(&applied(&applied(&text, &second), &first_later), &wanted);
    }

    #[test]
    fn an_offset_inside_a_pair_or_behind_the_end_never_fits(text in text(), offset in 1..60_i64) {
        let step = DeltaStep { retain: Some(offset), ..DeltaStep::default() };
        let insert = DeltaStep { insert: Some("x".into()), ..DeltaStep::default() };
        let delta = Delta::from_steps([step, insert]).unwrap();
        let mut at = 0;
        let boundaries: Vec<i64> = text.chars().map(|char| {
            at += i64::try_from(char.len_utf16()).unwrap();
            at
        }).collect();
        prop_assert_eq!(Content::from(&*text).apply(&delta).is_ok(), boundaries.contains(&offset));
    }
}
