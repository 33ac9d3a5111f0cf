//! Tests of compose and transform against a slow and simple model.
//!
//! In the model each character of the old text has an identity. A delta is the set of characters that it deletes and
//! the texts that it inserts before each character, so the merge of two deltas is obvious.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Content, Delta, DeltaStep, TextFormats, Tie};

/// Characters of one and of two code units, a combining mark and a joiner.
const ALPHABET: [char; 8] = ['a', 'b', ' ', '\n', 'ö', '\u{301}', '🎈', '\u{200d}'];

/// A random step, from which [`delta`] makes a step that fits a text.
#[derive(Debug, Clone)]
enum PlannedStep {
    Retain(usize),
    Insert(Vec<usize>),
    Delete(usize),
    /// The last number is the index of the formats.
    Format(usize, usize),
    Styled(Vec<usize>, usize),
    Embed(usize),
}

fn plan() -> impl Strategy<Value = Vec<PlannedStep>> {
    let step = prop_oneof![
        (0..6_usize).prop_map(PlannedStep::Retain),
        prop::collection::vec(0..ALPHABET.len(), 1..4).prop_map(PlannedStep::Insert),
        (1..5_usize).prop_map(PlannedStep::Delete),
    ];
    prop::collection::vec(step, 0..8)
}

/// Returns a plan with formats and embedded objects.
fn rich_plan() -> impl Strategy<Value = Vec<PlannedStep>> {
    let letters = || prop::collection::vec(0..ALPHABET.len(), 1..4);
    let step = prop_oneof![
        (0..6_usize).prop_map(PlannedStep::Retain),
        letters().prop_map(PlannedStep::Insert),
        (1..5_usize).prop_map(PlannedStep::Delete),
        (1..6_usize, 0..5_usize).prop_map(|(count, style)| PlannedStep::Format(count, style)),
        (letters(), 0..5_usize).prop_map(|(letters, style)| PlannedStep::Styled(letters, style)),
        (0..5_usize).prop_map(PlannedStep::Embed),
    ];
    prop::collection::vec(step, 0..8)
}

fn style(index: usize) -> TextFormats {
    let formats = match index {
        0 => json!({ "bold": true }),
        1 => json!({ "bold": null }),
        2 => json!({ "color": "red" }),
        3 => json!({ "color": "blue", "bold": true }),
        _ => json!({}),
    };
    TextFormats::new(formats).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    let char = (0..ALPHABET.len()).prop_map(|index| ALPHABET[index]);
    prop::collection::vec(char, 0..20).prop_map(String::from_iter)
}

fn letters(indices: &[usize]) -> String {
    indices.iter().map(|index| ALPHABET[*index]).collect()
}

/// Returns the delta of these steps on `text`, which never splits a character.
fn delta(text: &str, plan: &[PlannedStep]) -> Delta {
    let mut chars = text.chars();
    let mut span = |count: usize| {
        let units: usize = chars.by_ref().take(count).map(char::len_utf16).sum();
        (units > 0).then(|| i64::try_from(units).unwrap())
    };
    let steps = plan.iter().filter_map(|step| match step {
        PlannedStep::Retain(count) => {
            Some(DeltaStep { retain: Some(span(*count)?), ..DeltaStep::default() })
        }
        PlannedStep::Delete(count) => {
            Some(DeltaStep { delete: Some(span(*count)?), ..DeltaStep::default() })
        }
        PlannedStep::Insert(indices) => {
            Some(DeltaStep { insert: Some(letters(indices)), ..DeltaStep::default() })
        }
        PlannedStep::Format(count, formats) => {
            let attributes = style(*formats);
            Some(DeltaStep { retain: Some(span(*count)?), attributes, ..DeltaStep::default() })
        }
        PlannedStep::Styled(indices, formats) => {
            let attributes = style(*formats);
            Some(DeltaStep { insert: Some(letters(indices)), attributes, ..DeltaStep::default() })
        }
        PlannedStep::Embed(formats) => {
            let embed = Some(json!({ "image": formats }).into());
            Some(DeltaStep { embed, attributes: style(*formats), ..DeltaStep::default() })
        }
    });
    Delta::from_steps(steps.collect::<Vec<_>>()).unwrap()
}

fn apply(text: &str, delta: &Delta) -> String {
    Content::from(text).apply(delta).unwrap().to_string()
}

/// A character, the object that it stands for, and its formats.
type StyledChar = (char, Option<Value>, BTreeMap<String, Value>);

fn unstyled(text: &str) -> Vec<StyledChar> {
    text.chars().map(|char| (char, None, BTreeMap::new())).collect()
}

/// Applies a delta to a text of which each character has its formats.
fn apply_styled(old: &[StyledChar], delta: &Delta) -> Vec<StyledChar> {
    let mut old = old.iter().cloned();
    let mut new = Vec::new();
    let set = |formats: &mut BTreeMap<String, Value>, step: &DeltaStep| {
        for (name, value) in step.attributes.iter() {
            match value {
                Value::Null => formats.remove(name),
                value => formats.insert(name.clone(), value.clone()),
            };
        }
    };
    for step in delta.steps() {
        for char in step.insert.iter().flat_map(|text| text.chars()) {
            let mut formats = BTreeMap::new();
            set(&mut formats, &step);
            new.push((char, step.embed.as_ref().map(|embed| embed.as_json().clone()), formats));
        }
        let mut units = step.retain.or(step.delete).unwrap_or(0);
        while units > 0 {
            let (char, embed, mut formats) = old.next().unwrap();
            units -= i64::try_from(char.len_utf16()).unwrap();
            if step.retain.is_some() {
                set(&mut formats, &step);
                new.push((char, embed, formats));
            }
        }
    }
    new.extend(old);
    new
}

/// The model: the text inserted into each gap of the old text, and for each old character whether it is kept.
struct Model {
    inserted: Vec<String>,
    kept: Vec<bool>,
}

impl Model {
    fn of(text: &str, delta: &Delta) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let mut model =
            Self { inserted: vec![String::new(); chars.len() + 1], kept: vec![true; chars.len()] };
        let mut at = 0;
        for step in delta.steps() {
            if let Some(text) = step.insert {
                model.inserted[at].push_str(&text);
            }
            let mut units = step.retain.or(step.delete).unwrap_or(0);
            while units > 0 {
                model.kept[at] = step.delete.is_none();
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
            if self.kept[at] {
                new.push(char);
            }
        }
        new + self.inserted.last().unwrap()
    }

    /// Returns the merge of both, with the text of `self` first where both insert.
    fn merged(&self, other: &Self) -> Self {
        let both = self.inserted.iter().zip(&other.inserted);
        let kept = self.kept.iter().zip(&other.kept);
        Self {
            inserted: both.map(|(first, second)| format!("{first}{second}")).collect(),
            kept: kept.map(|(first, second)| *first && *second).collect(),
        }
    }
}

proptest! {
    #[test]
    fn apply_agrees_with_the_model(text in text(), steps in plan()) {
        let delta = delta(&text, &steps);
        prop_assert_eq!(apply(&text, &delta), Model::of(&text, &delta).text(&text));
    }

    #[test]
    fn a_composed_delta_equals_both_in_sequence(text in text(), first in plan(), second in plan()) {
        let first = delta(&text, &first);
        let between = apply(&text, &first);
        let second = delta(&between, &second);
        let composed = first.compose(&second);
        prop_assert_eq!(apply(&text, &composed), apply(&between, &second));
        // Encoding and decoding normalize a delta, so this shows that it is in normal form.
        prop_assert_eq!(Delta::from_steps(composed.steps()).unwrap(), composed);
    }

    #[test]
    fn composed_formats_equal_both_in_sequence(
        text in text(), zeroth in rich_plan(), first in rich_plan(), second in rich_plan(),
    ) {
        let zeroth = delta(&text, &zeroth);
        let (text, styled) = (apply(&text, &zeroth), apply_styled(&unstyled(&text), &zeroth));
        let first = delta(&text, &first);
        let between = apply(&text, &first);
        let second = delta(&between, &second);
        let composed = first.compose(&second);
        let expected = apply_styled(&apply_styled(&styled, &first), &second);
        prop_assert_eq!(apply(&text, &composed), apply(&between, &second));
        prop_assert_eq!(apply_styled(&styled, &composed), expected);
        prop_assert_eq!(Delta::from_steps(composed.steps()).unwrap(), composed);
    }

    #[test]
    fn concurrent_formats_converge_in_both_orders(
        text in text(), zeroth in rich_plan(), first in rich_plan(), second in rich_plan(),
    ) {
        let zeroth = delta(&text, &zeroth);
        let (text, styled) = (apply(&text, &zeroth), apply_styled(&unstyled(&text), &zeroth));
        let (first, second) = (delta(&text, &first), delta(&text, &second));
        let second_later = second.transform(&first, Tie::Theirs);
        let first_later = first.transform(&second, Tie::Mine);
        let one = apply_styled(&apply_styled(&styled, &first), &second_later);
        prop_assert_eq!(one, apply_styled(&apply_styled(&styled, &second), &first_later));
        prop_assert_eq!(Delta::from_steps(second_later.steps()).unwrap(), second_later);
    }

    #[test]
    fn a_delta_without_present_formats_has_the_same_result(text in text(), present in rich_plan(), plan in rich_plan()) {
        let is_format = |step: &&PlannedStep| matches!(step, PlannedStep::Retain(_) | PlannedStep::Format(..));
        let present: Vec<_> = present.iter().filter(is_format).cloned().collect();
        let present = delta(&text, &present);
        let styled = apply_styled(&unstyled(&text), &present);
        let change = delta(&text, &plan);
        let new = change.besides_present(&present);
        prop_assert_eq!(apply_styled(&styled, &new), apply_styled(&styled, &change));
        prop_assert_eq!(new.besides_present(&present), new);
    }

    #[test]
    fn many_composed_deltas_equal_all_in_sequence(text in text(), plans in prop::collection::vec(plan(), 0..6)) {
        let mut now = text.clone();
        let mut deltas = Vec::new();
        for steps in plans {
            let delta = delta(&now, &steps);
            now = apply(&now, &delta);
            deltas.push(delta);
        }
        prop_assert_eq!(apply(&text, &Delta::compose_all(deltas)), now);
    }

    #[test]
    fn a_coarsened_delta_has_the_same_result_in_fewer_steps(text in text(), plan in plan(), max_steps in 0..12_usize) {
        let fine = delta(&text, &plan);
        let coarse = fine.clone().coarsened(&text, max_steps);
        prop_assert_eq!(apply(&text, &coarse), apply(&text, &fine));
        prop_assert!(coarse.ops().len() <= max_steps.max(3), "{:?}", coarse);
        prop_assert!(fine.ops().len() > max_steps || coarse == fine);
    }

    #[test]
    fn concurrent_deltas_converge_in_both_orders(text in text(), first in plan(), second in plan()) {
        let (first, second) = (delta(&text, &first), delta(&text, &second));
        let expected = Model::of(&text, &first).merged(&Model::of(&text, &second)).text(&text);

        let second_later = second.transform(&first, Tie::Theirs);
        let first_later = first.transform(&second, Tie::Mine);

        prop_assert_eq!(&apply(&apply(&text, &first), &second_later), &expected);
        prop_assert_eq!(&apply(&apply(&text, &second), &first_later), &expected);
    }

    #[test]
    fn an_offset_inside_a_surrogate_pair_or_past_the_end_never_fits(text in text(), offset in 1..60_i64) {
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
