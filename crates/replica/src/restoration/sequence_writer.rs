//! Writes the difference between a sequence of the document and another one.

use protocol::domain::{CompareUntil, Op, TextFormats};
use yrs::{
    Any, Array as _, ArrayRef, In, Text as _, TextRef, TransactionMut,
    branch::BranchPtr,
    types::{Attrs, Delta as TextStep},
};

use super::{blank::blank, text_steps::TextSteps};
use crate::{
    comparison::{
        Element, ElementIdentity, ElementSequence, Failure, ReadAllowance, Step, What, Writing,
        changed_formats, steps_between,
    },
    splits::split_at_steps,
    subdocuments::SubdocumentPrelim,
};

/// Finding a place in a list walks over this many elements for each step of the budget.
const WALKED_PER_STEP: u32 = 64;

/// This many characters or elements are removed in one step of the budget.
const UNITS_PER_STEP: usize = 64;

/// The library leaves formats of a deleted place to what is inserted there. They are removed in the next pass.
const MAX_PASSES: usize = 4;

/// Writes sequences into a document.
pub(crate) struct SequenceWriter<'a, 'doc> {
    pub(crate) txn: &'a mut TransactionMut<'doc>,
    pub(crate) until: &'a CompareUntil,
    pub(crate) allowance: ReadAllowance,
}

impl SequenceWriter<'_, '_> {
    /// Gives a shared type this sequence. What it has already stays. A shared type that it lacks becomes an empty one of the same
    /// kind. Returns the elements that were written.
    ///
    /// # Errors
    /// The sequence cannot be written, or the budget ended.
    pub(crate) fn write_sequence(
        &mut self,
        present: BranchPtr,
        new: &ElementSequence,
    ) -> Result<Vec<Element>, Failure> {
        let read = ElementSequence::read(present, self.txn, &mut self.allowance);
        let mut old = match read {
            Err(Failure::Unsupported) if new.elements.is_empty() => {
                self.clear(present)?;
                return Ok(vec![]);
            }
            old => old?,
        };
        for _ in 0..MAX_PASSES {
            let writing = common_writing(&old, new);
            if writing.is_none() {
                // A list has become a text, or a text a list.
                self.clear(present)?;
                old.elements.clear();
            }
            let steps =
                steps_between(&old.elements, &new.elements, self.until, &mut self.allowance)?;
            if !steps.iter().all(Step::changes_nothing) {
                self.write(present, &steps, writing.unwrap_or(new.writing))?;
                old = ElementSequence::read(present, self.txn, &mut self.allowance)?;
            }
            // Shared types that were inserted are others than those of the new sequence.
            if pieces(&old.elements) == pieces(&new.elements) {
                return Ok(old.elements);
            }
        }
        Err(Failure::Unsupported)
    }

    /// Removes the sequence of a shared type, also one that could not be written again.
    fn clear(&mut self, present: BranchPtr) -> Result<(), Failure> {
        // As a list: a text would leave the values of lists.
        let list = ArrayRef::from(present);
        let length = list.len(self.txn);
        self.until.budget.spend(1 + length as usize / UNITS_PER_STEP)?;
        list.remove_range(self.txn, 0, length);
        match list.len(self.txn) {
            0 => Ok(()),
            _ => Err(Failure::Unsupported),
        }
    }

    fn write(
        &mut self,
        branch: BranchPtr,
        steps: &[Step],
        writing: Writing,
    ) -> Result<(), Failure> {
        match writing {
            Writing::Text => self.write_text(&TextRef::from(branch), steps),
            Writing::List => self.write_list(&ArrayRef::from(branch), steps),
        }
    }

    fn write_text(&mut self, text: &TextRef, steps: &[Step]) -> Result<(), Failure> {
        let mut written = TextSteps::default();
        for step in steps {
            match step {
                Step::Keep { old, new } => {
                    let changed = changed_formats(&old.formats, &new.formats);
                    written.retain(old.units(), changed.map(Box::new));
                }
                Step::Delete(old) => written.delete(old.units()),
                Step::Insert(Element { what: What::Text(piece), formats }) => {
                    written.insert_text(piece.text(), formats);
                }
                Step::Insert(Element { what, formats }) => {
                    let inserted = match what {
                        What::Type(shared) => blank(shared)?,
                        What::Embed(value) | What::Value(value) => In::Any(value.clone()),
                        What::Text(piece) => In::Any(Any::from(piece.text())),
                    };
                    written.insert(inserted, formats);
                }
            }
        }
        let written = written.finish();
        self.until.budget.spend(written.len())?;
        if !written.is_empty() {
            split_at_steps(text, self.txn, &lengths(&written));
            self.until.budget.spend(0)?;
            text.apply_delta(self.txn, written);
        }
        Ok(())
    }

    fn write_list(&mut self, list: &ArrayRef, steps: &[Step]) -> Result<(), Failure> {
        let mut at = 0;
        let mut steps = steps.iter().peekable();
        while let Some(step) = steps.next() {
            if let Step::Keep { .. } = step {
                at += 1;
                continue;
            }
            self.until.budget.spend(1 + (at / WALKED_PER_STEP) as usize)?;
            match step {
                Step::Keep { .. } => {}
                Step::Delete(_) => {
                    let mut count = 1;
                    while steps.next_if(|step| matches!(step, Step::Delete(_))).is_some() {
                        count += 1;
                    }
                    list.remove_range(self.txn, at, count);
                }
                Step::Insert(Element { what: What::Type(shared), .. }) => {
                    list.insert(self.txn, at, blank(shared)?);
                    at += 1;
                }
                Step::Insert(first) => {
                    if let Some(subdocument) = subdocument_of(first) {
                        list.insert(self.txn, at, subdocument);
                        at += 1;
                        continue;
                    }
                    let mut values = vec![value_of(first)?];
                    let is_value = |step: &Step| match step {
                        Step::Insert(new) => value_of(new).is_ok() && subdocument_of(new).is_none(),
                        Step::Keep { .. } | Step::Delete(_) => false,
                    };
                    while let Some(Step::Insert(next)) = steps.next_if(|step| is_value(step)) {
                        values.push(value_of(next)?);
                    }
                    let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
                    list.insert_range(self.txn, at, values);
                    at += count;
                }
            }
        }
        Ok(())
    }
}

/// Returns how the steps between two sequences are written, if one way suits both.
fn common_writing(old: &ElementSequence, new: &ElementSequence) -> Option<Writing> {
    let has_types_only = |sequence: &ElementSequence| {
        let is_type = |element: &Element| matches!(element.what, What::Type(_));
        sequence.elements.iter().all(is_type)
    };
    match (old.writing, new.writing) {
        (old, new) if old == new => Some(old),
        (Writing::Text, Writing::List) if has_types_only(old) => Some(Writing::List),
        (Writing::List, Writing::Text) if has_types_only(new) => Some(Writing::List),
        _ => None,
    }
}

/// Returns the steps as those of a plain text, whose insertions are empty.
fn lengths(steps: &[TextStep<In>]) -> Vec<Op> {
    let length = |step: &TextStep<In>| match step {
        TextStep::Retain(units, _) => Op::Retain(*units as usize, TextFormats::default()),
        TextStep::Deleted(units) => Op::Delete(*units as usize),
        TextStep::Inserted(..) => Op::Insert(String::new(), TextFormats::default()),
    };
    steps.iter().map(length).collect()
}

fn subdocument_of(element: &Element) -> Option<SubdocumentPrelim> {
    match &element.what {
        What::Value(value) => SubdocumentPrelim::of(value),
        What::Text(_) | What::Embed(_) | What::Type(_) => None,
    }
}

fn value_of(element: &Element) -> Result<Any, Failure> {
    match &element.what {
        What::Value(value) => Ok(value.clone()),
        What::Text(_) | What::Embed(_) | What::Type(_) => Err(Failure::Unsupported),
    }
}

/// A piece of the content of a sequence.
#[derive(Debug, PartialEq)]
struct ContentPiece<'a> {
    content: PieceContent<'a>,
    formats: &'a Attrs,
}

/// What a piece of the content is.
#[derive(Debug, PartialEq)]
enum PieceContent<'a> {
    Text(String),
    /// A shared type. A copy of it has another identity.
    Type,
    Other(ElementIdentity<'a>),
}

/// Returns the content of a sequence without that of shared types, joined where the formats are the same.
fn pieces(elements: &[Element]) -> Vec<ContentPiece<'_>> {
    let mut pieces: Vec<ContentPiece<'_>> = Vec::new();
    for element in elements {
        let formats = &*element.formats;
        let content = match &element.what {
            What::Text(piece) => match pieces.last_mut() {
                Some(ContentPiece { content: PieceContent::Text(last), formats: before })
                    if *before == formats =>
                {
                    last.push_str(piece.text());
                    continue;
                }
                _ => PieceContent::Text(piece.text().to_owned()),
            },
            What::Type(_) => PieceContent::Type,
            What::Embed(_) | What::Value(_) => PieceContent::Other(element.identity()),
        };
        pieces.push(ContentPiece { content, formats });
    }
    pieces
}
