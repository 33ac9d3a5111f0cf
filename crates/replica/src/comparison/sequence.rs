//! The sequence of a shared type as elements, and the differences of two sequences.

use std::{collections::HashMap, sync::Arc};

use protocol::domain::{CompareUntil, Exhausted};
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices_deadline, diff_ratio};
use unicode_segmentation::UnicodeSegmentation as _;
use yrs::{
    Any, GetString as _, Out, ReadTxn, Text as _, TextRef,
    branch::BranchPtr,
    types::{
        Attrs,
        text::{Diff, YChange},
    },
};

use super::{
    Failure,
    element::{Element, ElementIdentity, TextPiece, What},
};
use crate::list_values::list_values;

/// Words with a lower similarity (0 to 1) are replaced as a whole.
const MIN_SIMILARITY: f32 = 0.5;

/// The most elements that one comparison reads: lines, objects, values and shared types, of both versions.
const MAX_ELEMENTS: usize = 2_000_000;

/// The most bytes of text that one comparison compares word by word. Of more, whole lines are replaced.
const MAX_COMPARED_BYTES: usize = 1024 * 1024;

/// A sequence that differs at more places is replaced from the first to the last of them.
const MAX_CHANGES: usize = 100_000;

/// How the elements of a sequence are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writing {
    /// As a text: pieces with formats, embedded objects, and shared types.
    Text,
    /// As a list: values and shared types.
    List,
}

/// What a comparison may still take. Each element takes some hundred bytes of memory while it is compared.
#[derive(Debug)]
pub(crate) struct ReadAllowance {
    elements: usize,
    /// The bytes of text that may be compared word by word.
    compared: usize,
}

impl Default for ReadAllowance {
    fn default() -> Self {
        Self { elements: MAX_ELEMENTS, compared: MAX_COMPARED_BYTES }
    }
}

impl ReadAllowance {
    fn take_elements(&mut self, count: usize) -> Result<(), Failure> {
        let left = self.elements.checked_sub(count);
        self.elements = left.ok_or(Failure::Exhausted(Exhausted::Steps))?;
        Ok(())
    }

    /// Returns whether this much text may be compared word by word, and if so takes it.
    fn takes_compared(&mut self, bytes: usize) -> bool {
        let left = self.compared.checked_sub(bytes);
        self.compared = left.unwrap_or(self.compared);
        left.is_some()
    }
}

/// The elements of a sequence.
#[derive(Debug, Clone)]
pub(crate) struct ElementSequence {
    pub(crate) elements: Vec<Element>,
    pub(crate) writing: Writing,
}

impl ElementSequence {
    /// Reads the sequence of a shared type. Text is split into lines.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] if it is neither a text nor a list.
    pub(crate) fn read(
        branch: BranchPtr,
        txn: &impl ReadTxn,
        allowance: &mut ReadAllowance,
    ) -> Result<Self, Failure> {
        let text = TextRef::from(branch);
        let length = text.len(txn);
        if length == 0 {
            return Ok(Self { elements: vec![], writing: Writing::Text });
        }
        let elements = text_elements(text.diff(txn, YChange::identity), allowance)?;
        let is_text = |element: &&Element| matches!(element.what, What::Text(_));
        let units: u32 = elements.iter().map(Element::units).sum();
        let of_text: u32 = elements.iter().filter(is_text).map(Element::units).sum();
        // The library shows an embedded string like text, and leaves the values of lists out.
        let has_text_only = text.get_string(txn).encode_utf16().count() == of_text as usize;
        if units == length && has_text_only {
            return Ok(Self { elements, writing: Writing::Text });
        }
        allowance.take_elements(length as usize)?;
        let values = list_values(branch, txn).ok_or(Failure::Unsupported)?;
        let is_list = values.len() == length as usize
            && elements.iter().all(|element| matches!(element.what, What::Type(_)));
        if !is_list {
            return Err(Failure::Unsupported);
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

/// Returns chunks of text as elements: lines of text, and what is embedded.
pub(crate) fn text_elements(
    chunks: Vec<Diff<YChange>>,
    allowance: &mut ReadAllowance,
) -> Result<Vec<Element>, Failure> {
    let mut elements = Vec::new();
    for Diff { insert, attributes, .. } in chunks {
        let formats = Arc::new(attributes.map(|attributes| *attributes).unwrap_or_default());
        let element = |what| Element { what, formats: Arc::clone(&formats) };
        match insert {
            Out::Any(Any::String(text)) => {
                let ends = text.bytes().filter(|byte| *byte == b'\n').count();
                allowance.take_elements(ends + 1)?;
                let chunk = TextPiece::whole(text);
                let lines = chunk.parts(chunk.text().split_inclusive('\n'));
                elements.extend(lines.map(|line| element(What::Text(line))));
            }
            Out::Any(value) => elements.push(element(What::Embed(value))),
            shared => elements.push(element(What::Type(shared))),
        }
    }
    allowance.take_elements(elements.len())?;
    Ok(elements)
}

/// A step from one sequence to another.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// An element stays, perhaps with other formats.
    Keep { old: Element, new: Element },
    /// An element goes.
    Delete(Element),
    /// An element comes.
    Insert(Element),
}

impl Step {
    /// Whether it keeps an element and its formats.
    pub(crate) fn changes_nothing(&self) -> bool {
        match self {
            Self::Keep { old, new } => changed_formats(&old.formats, &new.formats).is_none(),
            Self::Delete(_) | Self::Insert(_) => false,
        }
    }
}

/// Returns the formats to set, and with null those to remove, if any differ.
pub(crate) fn changed_formats(old: &Attrs, new: &Attrs) -> Option<Attrs> {
    let removed = old.keys().filter(|key| !new.contains_key(*key));
    let removed = removed.map(|key| (key.clone(), Any::Null));
    let set = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    let set = set.map(|(key, value)| (key.clone(), value.clone()));
    let changed: Attrs = removed.chain(set).collect();
    (!changed.is_empty()).then_some(changed)
}

/// The unit of comparison of texts. Each level compares the parts that differ on the level before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Lines,
    Words,
    Letters,
}

impl Level {
    fn next(self) -> Option<Self> {
        match self {
            Self::Lines => Some(Self::Words),
            Self::Words => Some(Self::Letters),
            Self::Letters => None,
        }
    }

    /// Splits text into the parts of this level: lines, words, or graphemes. Other elements stay.
    fn split(self, elements: &[Element]) -> Vec<Element> {
        let mut parts = Vec::new();
        for element in elements {
            let Element { what, formats } = element;
            let What::Text(piece) = what else {
                parts.push(element.clone());
                continue;
            };
            let element = |part| Element { what: What::Text(part), formats: Arc::clone(formats) };
            match self {
                Self::Lines => parts.push(element(piece.clone())),
                Self::Words => {
                    parts.extend(piece.parts(piece.text().split_word_bounds()).map(element));
                }
                Self::Letters => {
                    parts.extend(piece.parts(piece.text().graphemes(true)).map(element));
                }
            }
        }
        parts
    }
}

/// Returns the steps from `old` to `new`. After the end of `until` they are coarser, and still right.
///
/// # Errors
/// The comparison was stopped, or needs too many steps.
pub(crate) fn steps_between(
    old: &[Element],
    new: &[Element],
    until: &CompareUntil,
    allowance: &mut ReadAllowance,
) -> Result<Vec<Step>, Failure> {
    let mut comparison = Comparison { until, allowance, steps: Vec::with_capacity(new.len()) };
    comparison.add(old, new, Level::Lines)?;
    let steps = comparison.steps;
    let changes = steps.iter().filter(|step| !step.changes_nothing()).count();
    Ok(if changes > MAX_CHANGES { coarse(steps) } else { steps })
}

/// Replaces everything from the first step that changes something to the last one.
fn coarse(mut steps: Vec<Step>) -> Vec<Step> {
    let last = steps.iter().rposition(|step| !step.changes_nothing());
    let after = steps.split_off(last.map_or(0, |last| last + 1));
    let first = steps.iter().position(|step| !step.changes_nothing());
    let between = steps.split_off(first.unwrap_or(steps.len()));
    let mut inserted = Vec::new();
    for step in between {
        match step {
            Step::Keep { old, new } => {
                steps.push(Step::Delete(old));
                inserted.push(Step::Insert(new));
            }
            Step::Delete(_) => steps.push(step),
            Step::Insert(_) => inserted.push(step),
        }
    }
    steps.extend(inserted);
    steps.extend(after);
    steps
}

/// A comparison of two sequences.
struct Comparison<'a> {
    until: &'a CompareUntil,
    allowance: &'a mut ReadAllowance,
    steps: Vec<Step>,
}

impl Comparison<'_> {
    fn add(&mut self, old: &[Element], new: &[Element], level: Level) -> Result<(), Failure> {
        let ops = compare(old, new, self.until)?;
        if level == Level::Letters && diff_ratio(&ops, old.len(), new.len()) < MIN_SIMILARITY {
            self.steps.extend(replaced(old, new));
            return Ok(());
        }
        for op in ops {
            let (old, new) = (&old[op.old_range()], &new[op.new_range()]);
            match (op.tag(), level.next()) {
                (DiffTag::Equal, _) => self.steps.extend(kept(old, new)),
                (DiffTag::Replace, Some(next)) if has_text(old) && has_text(new) => {
                    self.replace_text(old, new, next)?;
                }
                (DiffTag::Delete | DiffTag::Insert | DiffTag::Replace, _) => {
                    self.steps.extend(replaced(old, new));
                }
            }
        }
        Ok(())
    }

    /// Compares what differs and has text, part by part if that is not too long.
    fn replace_text(
        &mut self,
        old: &[Element],
        new: &[Element],
        level: Level,
    ) -> Result<(), Failure> {
        let ([old, new], [before, after]) = match (old, new) {
            // A line may be as long as the document.
            ([one], [other]) => within_common_ends(one, other),
            _ => ([old.to_vec(), new.to_vec()], [None, None]),
        };
        self.steps.extend(before);
        // Letters are those of words, which were counted.
        let is_counted = level == Level::Letters;
        if is_counted || self.allowance.takes_compared(text_bytes(&old) + text_bytes(&new)) {
            self.add(&level.split(&old), &level.split(&new), level)?;
        } else {
            self.steps.extend(replaced(&old, &new));
        }
        self.steps.extend(after);
        Ok(())
    }
}

/// Returns what differs in two pieces of text, and the steps that keep what they begin and end with.
fn within_common_ends(old: &Element, new: &Element) -> ([Vec<Element>; 2], [Option<Step>; 2]) {
    let (What::Text(one), What::Text(other)) = (&old.what, &new.what) else {
        return ([vec![old.clone()], vec![new.clone()]], [None, None]);
    };
    let first = common_bytes(one.text().chars().zip(other.text().chars()));
    let ([begin, one], [begun, other]) = (one.split_at(first), other.split_at(first));
    let last = common_bytes(one.text().chars().rev().zip(other.text().chars().rev()));
    let [one, end] = one.split_at(one.text().len() - last);
    let [other, ended] = other.split_at(other.text().len() - last);
    let element = |of: &Element, piece: TextPiece| Element {
        what: What::Text(piece),
        formats: Arc::clone(&of.formats),
    };
    let keep = |a: TextPiece, b: TextPiece| {
        let step = Step::Keep { old: element(old, a), new: element(new, b) };
        (!matches!(&step, Step::Keep { old, .. } if old.units() == 0)).then_some(step)
    };
    let middle = |of: &Element, piece: TextPiece| match piece.text() {
        "" => vec![],
        _ => vec![element(of, piece)],
    };
    ([middle(old, one), middle(new, other)], [keep(begin, begun), keep(end, ended)])
}

/// Returns how many bytes the first pairs of equal characters have.
fn common_bytes(pairs: impl Iterator<Item = (char, char)>) -> usize {
    pairs.take_while(|(one, other)| one == other).map(|(one, _)| one.len_utf8()).sum()
}

fn kept<'a>(old: &'a [Element], new: &'a [Element]) -> impl Iterator<Item = Step> + 'a {
    let keep = |(old, new): (&Element, &Element)| Step::Keep { old: old.clone(), new: new.clone() };
    old.iter().zip(new).map(keep)
}

fn replaced<'a>(old: &'a [Element], new: &'a [Element]) -> impl Iterator<Item = Step> + 'a {
    let deleted = old.iter().cloned().map(Step::Delete);
    deleted.chain(new.iter().cloned().map(Step::Insert))
}

fn has_text(elements: &[Element]) -> bool {
    elements.iter().any(|element| matches!(element.what, What::Text(_)))
}

fn text_bytes(elements: &[Element]) -> usize {
    let bytes = elements.iter().map(|element| match &element.what {
        What::Text(piece) => piece.text().len(),
        What::Embed(_) | What::Value(_) | What::Type(_) => 0,
    });
    bytes.sum()
}

fn compare(old: &[Element], new: &[Element], until: &CompareUntil) -> Result<Vec<DiffOp>, Failure> {
    until.budget.spend(old.len() + new.len())?;
    let mut numbers: HashMap<ElementIdentity<'_>, usize> = HashMap::new();
    let mut number = |element| {
        let next = numbers.len();
        *numbers.entry(Element::identity(element)).or_insert(next)
    };
    let old: Vec<usize> = old.iter().map(&mut number).collect();
    let new: Vec<usize> = new.iter().map(&mut number).collect();
    Ok(capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(until.deadline)))
}
