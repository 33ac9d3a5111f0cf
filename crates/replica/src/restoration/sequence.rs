//! The sequence of a shared type as elements, and the differences of two sequences.

use std::{collections::HashMap, sync::Arc};

use protocol::domain::CompareUntil;
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices_deadline, diff_ratio};
use unicode_segmentation::UnicodeSegmentation as _;
use yrs::{
    Any, Array as _, ArrayRef, Out, ReadTxn, Text as _, TextRef,
    branch::BranchPtr,
    types::{
        Attrs,
        text::{Diff, YChange},
    },
};

use super::{
    element::{Element, ElementIdentity, What},
    writer::Failure,
};

/// Words with a lower similarity (0 to 1) are replaced as a whole.
const MIN_SIMILARITY: f32 = 0.5;

/// How the elements of a sequence are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writing {
    /// As a text: pieces with formats, embedded objects, and shared types.
    Text,
    /// As a list: values and shared types.
    List,
}

/// The elements of a sequence.
#[derive(Debug, Clone)]
pub(super) struct ElementSequence {
    pub(super) elements: Vec<Element>,
    pub(super) writing: Writing,
}

impl ElementSequence {
    /// Reads the sequence of a shared type. Text is split into words.
    ///
    /// # Errors
    /// [`Failure::Unrestorable`] if it is neither a text nor a list.
    pub(super) fn read(branch: BranchPtr, txn: &impl ReadTxn) -> Result<Self, Failure> {
        let text = TextRef::from(branch);
        let length = text.len(txn);
        if length == 0 {
            return Ok(Self { elements: vec![], writing: Writing::Text });
        }
        let elements = text_elements(text.diff(txn, YChange::identity));
        if elements.iter().map(Element::units).sum::<u32>() == length {
            return Ok(Self { elements, writing: Writing::Text });
        }
        let values: Vec<Out> = ArrayRef::from(branch).iter(txn).collect();
        let is_list = values.len() == length as usize
            && elements.iter().all(|element| matches!(element.what, What::Type(_)));
        if !is_list {
            return Err(Failure::Unrestorable);
        }
        let formats = Arc::new(Attrs::default());
        let element = |value| Element {
            what: match value {
                Out::Any(value) => What::Value(value),
                shared => What::Type(shared),
            },
            formats: Arc::clone(&formats),
        };
        Ok(Self { elements: values.into_iter().map(element).collect(), writing: Writing::List })
    }
}

fn text_elements(chunks: Vec<Diff<YChange>>) -> Vec<Element> {
    let mut elements = Vec::new();
    for Diff { insert, attributes, .. } in chunks {
        let formats = Arc::new(attributes.map(|attributes| *attributes).unwrap_or_default());
        let element = |what| Element { what, formats: Arc::clone(&formats) };
        match insert {
            Out::Any(Any::String(text)) => {
                let words = text.split_word_bounds().map(|word| What::Text(word.to_owned()));
                elements.extend(words.map(element));
            }
            Out::Any(value) => elements.push(element(What::Embed(value))),
            shared => elements.push(element(What::Type(shared))),
        }
    }
    elements
}

/// A step from one sequence to another.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// An element stays, perhaps with other formats.
    Keep { old: Element, new: Element },
    /// An element goes.
    Delete(Element),
    /// An element comes.
    Insert(Element),
}

impl Step {
    /// Whether it keeps an element and its formats.
    pub(super) fn changes_nothing(&self) -> bool {
        match self {
            Self::Keep { old, new } => changed_formats(&old.formats, &new.formats).is_none(),
            Self::Delete(_) | Self::Insert(_) => false,
        }
    }
}

/// Returns the formats to set, and with null those to remove, if any differ.
pub(super) fn changed_formats(old: &Attrs, new: &Attrs) -> Option<Attrs> {
    let removed = old.keys().filter(|key| !new.contains_key(*key));
    let removed = removed.map(|key| (key.clone(), Any::Null));
    let set = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    let set = set.map(|(key, value)| (key.clone(), value.clone()));
    let changed: Attrs = removed.chain(set).collect();
    (!changed.is_empty()).then_some(changed)
}

/// Returns the steps from `old` to `new`. After the end of `until` they are coarser, and still right.
///
/// # Errors
/// The comparison was stopped, or needs too many steps.
pub(super) fn steps_between(
    old: &[Element],
    new: &[Element],
    until: &CompareUntil,
) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::with_capacity(new.len());
    for op in compare(old, new, until)? {
        let (old, new) = (&old[op.old_range()], &new[op.new_range()]);
        match op.tag() {
            DiffTag::Equal => steps.extend(kept(old, new)),
            DiffTag::Replace if is_text(old) && is_text(new) => {
                replace_text(old, new, until, &mut steps)?;
            }
            DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => {
                steps.extend(replaced(old, new));
            }
        }
    }
    Ok(steps)
}

/// Compares words that differ letter by letter, if they are similar.
fn replace_text(
    old: &[Element],
    new: &[Element],
    until: &CompareUntil,
    steps: &mut Vec<Step>,
) -> Result<(), Failure> {
    let (old, new) = (letters(old), letters(new));
    let ops = compare(&old, &new, until)?;
    if diff_ratio(&ops, old.len(), new.len()) < MIN_SIMILARITY {
        steps.extend(replaced(&old, &new));
        return Ok(());
    }
    for op in ops {
        let (old, new) = (&old[op.old_range()], &new[op.new_range()]);
        match op.tag() {
            DiffTag::Equal => steps.extend(kept(old, new)),
            DiffTag::Delete | DiffTag::Insert | DiffTag::Replace => {
                steps.extend(replaced(old, new));
            }
        }
    }
    Ok(())
}

fn kept<'a>(old: &'a [Element], new: &'a [Element]) -> impl Iterator<Item = Step> + 'a {
    let keep = |(old, new): (&Element, &Element)| Step::Keep { old: old.clone(), new: new.clone() };
    old.iter().zip(new).map(keep)
}

fn replaced<'a>(old: &'a [Element], new: &'a [Element]) -> impl Iterator<Item = Step> + 'a {
    let deleted = old.iter().cloned().map(Step::Delete);
    deleted.chain(new.iter().cloned().map(Step::Insert))
}

fn is_text(elements: &[Element]) -> bool {
    elements.iter().all(|element| matches!(element.what, What::Text(_)))
}

/// Splits text into graphemes.
fn letters(elements: &[Element]) -> Vec<Element> {
    let mut letters = Vec::new();
    for Element { what, formats } in elements {
        if let What::Text(text) = what {
            letters.extend(text.graphemes(true).map(|letter| Element {
                what: What::Text(letter.to_owned()),
                formats: Arc::clone(formats),
            }));
        }
    }
    letters
}

fn compare(old: &[Element], new: &[Element], until: &CompareUntil) -> Result<Vec<DiffOp>, Failure> {
    until.budget.spend(old.len() + new.len())?;
    let mut numbers: HashMap<ElementIdentity, usize> = HashMap::new();
    let mut number = |element: &Element| {
        let next = numbers.len();
        *numbers.entry(element.identity()).or_insert(next)
    };
    let old: Vec<usize> = old.iter().map(&mut number).collect();
    let new: Vec<usize> = new.iter().map(&mut number).collect();
    Ok(capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(until.deadline)))
}
