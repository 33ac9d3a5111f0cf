//! The steps of deltas, between Yjs and the domain.
//!
//! What Yjs has in formats and embedded objects becomes JSON as in `content_json`. A format of a long text is repeated in each step,
//! so a small update may have a large delta. Above a limit the delta is one of plain text.

use protocol::domain::{Delta, DeltaStep, EmbeddedObject, Op, TextFormats};
use serde_json::{Map, Value};
use yrs::{
    Any, In, Out, ReadTxn, Text as _, TextRef, TransactionMut,
    types::{Attrs, Delta as YjsStep, text::YChange},
};

use super::{
    body::any_of,
    content_json::{shared_json, value},
    json_allowance::JsonAllowance,
};

/// The most bytes of the formats and embedded objects of a delta, about as JSON.
const MAX_RICH_BYTES: usize = 4 * 1024 * 1024;

/// The most levels of lists and objects in a format or an embedded object. The change log is not read with many more.
const MAX_LEVELS: usize = 64;

/// Returns a step of a delta as Yjs applies it.
pub(crate) fn yjs_step(op: &Op) -> YjsStep<In> {
    match op {
        Op::Retain(units, formats) => YjsStep::Retain(length(*units), attrs_of(formats)),
        Op::Insert(text, formats) => {
            YjsStep::Inserted(In::Any(Any::String(text.as_str().into())), attrs_of(formats))
        }
        Op::Embed(object, formats) => {
            YjsStep::Inserted(In::Any(any_of(object.as_json())), attrs_of(formats))
        }
        Op::Delete(units) => YjsStep::Deleted(length(*units)),
    }
}

/// Returns a step that skips text.
pub(crate) fn retain(units: usize) -> YjsStep<In> {
    YjsStep::Retain(length(units), None)
}

/// Returns the steps of an event. They have neither formats nor embedded objects if these are too large.
pub(crate) fn steps_of_event(event: &[YjsStep], txn: &TransactionMut<'_>) -> Vec<DeltaStep> {
    let mut allowance = RichAllowance { bytes: MAX_RICH_BYTES };
    let rich: Option<Vec<DeltaStep>> =
        event.iter().map(|step| allowance.rich_step(step, txn)).collect();
    rich.unwrap_or_else(|| event.iter().map(plain_step).collect())
}

/// Returns whether an event has formats, also if they are too large for a delta.
pub(crate) fn has_formats(event: &[YjsStep]) -> bool {
    event.iter().any(|step| match step {
        YjsStep::Inserted(_, formats) | YjsStep::Retain(_, formats) => {
            formats.as_ref().is_some_and(|formats| !formats.is_empty())
        }
        YjsStep::Deleted(_) => false,
    })
}

/// Returns a delta that retains the text with its formats. `None` if these are too large.
pub(crate) fn present_formats(text: &TextRef, txn: &TransactionMut<'_>) -> Option<Delta> {
    let mut allowance = RichAllowance { bytes: MAX_RICH_BYTES };
    let chunks = text.diff(txn, YChange::identity);
    let steps = chunks.iter().map(|chunk| {
        let units = match &chunk.insert {
            Out::Any(Any::String(text)) => text.encode_utf16().count(),
            _ => 1,
        };
        let attributes = match &chunk.attributes {
            Some(formats) => allowance.formats(formats)?,
            None => TextFormats::default(),
        };
        Some(DeltaStep { retain: i64::try_from(units).ok(), attributes, ..DeltaStep::default() })
    });
    Delta::from_steps(steps.collect::<Option<Vec<_>>>()?).ok()
}

/// Returns the most formats that a place of the text has.
pub(crate) fn most_formats(text: &TextRef, txn: &impl ReadTxn) -> usize {
    let chunks = text.diff(txn, YChange::identity);
    let formats = chunks.iter().map(|chunk| chunk.attributes.as_ref().map_or(0, |has| has.len()));
    formats.max().unwrap_or_default()
}

/// Returns the steps of a change without the formats that the text had before. The library reports some of them again where others
/// were removed.
pub(crate) fn besides_present(steps: Vec<DeltaStep>, present: &Delta) -> Vec<DeltaStep> {
    if !steps.iter().any(|step| step.retain.is_some() && !step.attributes.is_empty()) {
        return steps;
    }
    match Delta::from_steps(steps.iter().cloned()) {
        Ok(delta) => delta.besides_present(present).steps().collect(),
        Err(_invalid) => steps,
    }
}

/// What the formats and embedded objects of a delta may still have.
struct RichAllowance {
    bytes: usize,
}

impl RichAllowance {
    /// Returns a step with its formats and its object. `None` if they are too large.
    fn rich_step(&mut self, step: &YjsStep, txn: &TransactionMut<'_>) -> Option<DeltaStep> {
        let mut read = plain_step(step);
        if let YjsStep::Inserted(_, Some(formats)) | YjsStep::Retain(_, Some(formats)) = step {
            read.attributes = self.formats(formats)?;
        }
        match step {
            YjsStep::Inserted(Out::Any(Any::String(_)), _) => {}
            YjsStep::Inserted(inserted, _) => read.embed = self.object(inserted, txn)?,
            YjsStep::Deleted(_) | YjsStep::Retain(..) => {}
        }
        Some(read)
    }

    fn formats(&mut self, formats: &Attrs) -> Option<TextFormats> {
        let mut values = Map::new();
        for (name, value) in formats {
            self.bytes = self.bytes.checked_sub(name.len())?;
            self.take(value, MAX_LEVELS)?;
            values.insert(name.to_string(), serde_json::to_value(value).unwrap_or_default());
        }
        Some(values.into())
    }

    /// Returns an object as JSON. `None` inside if it has no value in JSON.
    fn object(
        &mut self,
        inserted: &Out,
        txn: &TransactionMut<'_>,
    ) -> Option<Option<EmbeddedObject>> {
        let json = match inserted {
            Out::Any(object) => {
                self.take(object, MAX_LEVELS)?;
                value(object)
            }
            // A shared type has what the update inserts into it.
            shared => {
                let mut left = JsonAllowance::new(self.bytes);
                let json = shared_json(shared, txn, &mut left).ok()?;
                self.take(&any_of(&json), MAX_LEVELS)?;
                json
            }
        };
        Some((json != Value::Null).then(|| json.into()))
    }

    /// Counts a value. `None` if it is too large or nested too deep.
    fn take(&mut self, value: &Any, levels: usize) -> Option<()> {
        let bytes = match value {
            Any::Null | Any::Undefined | Any::Bool(_) | Any::Number(_) => 1,
            Any::String(text) => text.len() + 2,
            // A list of numbers.
            Any::Buffer(bytes) => bytes.len().saturating_mul(4),
            Any::Array(values) => values.len() + 1,
            Any::Map(entries) => entries.keys().map(|name| name.len() + 4).sum::<usize>() + 1,
        };
        self.bytes = self.bytes.checked_sub(bytes)?;
        let inner = levels.checked_sub(1);
        match value {
            Any::Array(values) => {
                let levels = inner?;
                values.iter().try_for_each(|value| self.take(value, levels))
            }
            Any::Map(entries) => {
                let levels = inner?;
                entries.values().try_for_each(|value| self.take(value, levels))
            }
            _ => Some(()),
        }
    }
}

/// Returns a step of the plain text.
fn plain_step(step: &YjsStep) -> DeltaStep {
    match step {
        YjsStep::Inserted(Out::Any(Any::String(text)), _) => {
            DeltaStep { insert: Some(text.to_string()), ..DeltaStep::default() }
        }
        YjsStep::Inserted(..) => {
            let insert = Some(EmbeddedObject::CHARACTER.to_owned());
            DeltaStep { insert, ..DeltaStep::default() }
        }
        YjsStep::Deleted(units) => {
            DeltaStep { delete: Some(i64::from(*units)), ..DeltaStep::default() }
        }
        YjsStep::Retain(units, _) => {
            DeltaStep { retain: Some(i64::from(*units)), ..DeltaStep::default() }
        }
    }
}

fn attrs_of(formats: &TextFormats) -> Option<Box<Attrs>> {
    if formats.is_empty() {
        return None;
    }
    let attrs = formats.iter().map(|(name, value)| (name.as_str().into(), any_of(value)));
    Some(Box::new(attrs.collect()))
}

/// Converts a length. No text exceeds `limits.document`, which is below 2^32 bytes.
fn length(units: usize) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "delta_steps_tests.rs"]
mod tests;
