//! What differs between two versions of a document, as JSON.
//!
//! docs/PROTOCOL.md, section "Differences", describes the JSON.

use std::collections::BTreeSet;

use protocol::domain::{CompareUntil, Exhausted};
use serde_json::{Map, Value, json};
use yrs::{MapRef, Out, Text as _, TextRef, Transact as _, Transaction, branch::BranchPtr};

use super::{
    ChangeCounts, Element, ElementSequence, Failure, ReadAllowance, Step, What, changed_formats,
    counts::ContentCounts,
    identity_of,
    op_list::{ListOps, TextOps},
    steps_between,
};
use crate::{
    branches::{RootPair, branch_of, entries, root_pairs},
    content_json::{ATTRIBUTES, CONTENT, TYPE, root_json, shared_json},
    json_allowance::{JsonAllowance, JsonTooLarge},
    replica::Replica,
};

/// The member of a difference with the steps of a text.
const OPS: &str = "ops";

/// The member of a difference with the entries of a map.
const ENTRIES: &str = "entries";

/// The most bytes of a difference, about as JSON. A format is repeated for each piece of text that has it.
const MAX_JSON_BYTES: usize = 64 * 1024 * 1024;

/// What differs between two versions of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The root types that differ, by name. Each is an object with `ops`, `content` or `entries`.
    pub roots: Map<String, Value>,
    /// How much differs.
    pub counts: ChangeCounts,
}

impl Replica {
    /// Returns what differs between this version and another one, in text with its formats and embedded objects, XML, maps and
    /// arrays, in all root types. After the deadline of `until` it is coarser.
    ///
    /// # Errors
    /// [`Exhausted`] if the comparison was stopped, the versions have too many parts, or the JSON would be too large.
    pub fn difference_to(
        &self,
        other: &Self,
        until: &CompareUntil,
    ) -> Result<Difference, Exhausted> {
        let pairs = root_pairs(self, other);
        let (old, new) = (self.doc.transact(), other.doc.transact());
        let mut comparer = Comparer {
            old: &old,
            new: &new,
            until,
            allowance: ReadAllowance::default(),
            json: JsonAllowance::new(MAX_JSON_BYTES),
            counts: ChangeCounts::default(),
        };
        let mut roots = Map::new();
        for RootPair { name, branches } in pairs {
            let difference = comparer.compare_root(branches)?;
            if !difference.is_empty() {
                roots.insert(name, Value::Object(difference));
            }
        }
        Ok(Difference { roots, counts: comparer.counts })
    }
}

/// A comparison of two documents.
struct Comparer<'a> {
    old: &'a Transaction<'a>,
    new: &'a Transaction<'a>,
    until: &'a CompareUntil,
    allowance: ReadAllowance,
    json: JsonAllowance,
    counts: ChangeCounts,
}

impl Comparer<'_> {
    /// Compares a root type. One with content that is not compared is shown as it was and as it is, and not counted.
    fn compare_root(&mut self, branches: [BranchPtr; 2]) -> Result<Map<String, Value>, Exhausted> {
        let before = self.counts;
        match self.compare(branches, None) {
            Ok(difference) => Ok(difference),
            Err(Failure::Exhausted(exhausted)) => Err(exhausted),
            Err(Failure::Unsupported) => {
                self.counts = before;
                let from = root_json(branches[0], self.old, &mut self.json);
                let from = from.map_err(exhausted)?.unwrap_or_default();
                let to = root_json(branches[1], self.new, &mut self.json);
                let to = to.map_err(exhausted)?.unwrap_or_default();
                let mut difference = Map::new();
                if from != to {
                    difference.insert("from".to_owned(), from);
                    difference.insert("to".to_owned(), to);
                }
                Ok(difference)
            }
        }
    }

    /// Compares a shared type of both versions. `shared` is the one of the new version; of a root type only the content is known.
    /// Shared types nest 128 deep at most.
    fn compare(
        &mut self,
        branches: [BranchPtr; 2],
        shared: Option<&Out>,
    ) -> Result<Map<String, Value>, Failure> {
        let mut difference = Map::new();
        let changed = self.compare_entries(branches)?;
        if !changed.is_empty() {
            let is_xml = shared.is_some_and(is_xml);
            let name = if is_xml { ATTRIBUTES } else { ENTRIES };
            difference.insert(name.to_owned(), Value::Object(changed));
        }
        let (name, steps) = self.compare_sequences(branches, shared)?;
        if !steps.is_empty() {
            difference.insert(name.to_owned(), Value::Array(steps));
        }
        if let (false, Some(Out::YXmlElement(element))) = (difference.is_empty(), shared) {
            difference.insert(TYPE.to_owned(), element.tag().to_string().into());
        }
        Ok(difference)
    }

    /// Compares the entries of a map, or the attributes of an XML element.
    fn compare_entries(
        &mut self,
        [old, new]: [BranchPtr; 2],
    ) -> Result<Map<String, Value>, Failure> {
        let old = entries(&MapRef::from(old), self.old);
        let new = entries(&MapRef::from(new), self.new);
        self.until.budget.spend(old.len() + new.len())?;
        let mut changed = Map::new();
        let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for key in keys {
            let (before, after) = (old.get(key), new.get(key));
            if let (Some(before), Some(after)) = (before, after)
                && identity_of(before) == identity_of(after)
            {
                let change = self.compare_kept(before, after)?;
                if !change.is_empty() {
                    changed.insert(key.clone(), json!({ "change": change }));
                }
                continue;
            }
            self.counts.changed_entries += 1;
            let mut entry = Map::new();
            if let Some(before) = before {
                let counts = ContentCounts::of_value(before, self.old, &mut self.allowance)?;
                self.add_deleted(counts);
                entry.insert("from".to_owned(), shared_json(before, self.old, &mut self.json)?);
            }
            if let Some(after) = after {
                let counts = ContentCounts::of_value(after, self.new, &mut self.allowance)?;
                self.add_inserted(counts);
                entry.insert("to".to_owned(), shared_json(after, self.new, &mut self.json)?);
            }
            changed.insert(key.clone(), Value::Object(entry));
        }
        Ok(changed)
    }

    /// Compares the sequences of a shared type. Returns the steps between them, and the name of the member for them.
    fn compare_sequences(
        &mut self,
        [old, new]: [BranchPtr; 2],
        shared: Option<&Out>,
    ) -> Result<(&'static str, Vec<Value>), Failure> {
        let is_empty =
            |branch: BranchPtr, txn: &Transaction<'_>| TextRef::from(branch).len(txn) == 0;
        if is_empty(old, self.old) && is_empty(new, self.new) {
            return Ok((CONTENT, vec![]));
        }
        let old = ElementSequence::read(old, self.old, &mut self.allowance)?.elements;
        let new = ElementSequence::read(new, self.new, &mut self.allowance)?.elements;
        let steps = steps_between(&old, &new, self.until, &mut self.allowance)?;
        let is_of_text = |element: &Element| matches!(element.what, What::Text(_) | What::Embed(_));
        let is_text = matches!(shared, Some(Out::YText(_) | Out::YXmlText(_)))
            || old.iter().chain(&new).any(is_of_text);
        Ok(match is_text {
            true => (OPS, self.text_ops(&steps)?),
            false => (CONTENT, self.list_ops(&steps)?),
        })
    }

    fn text_ops(&mut self, steps: &[Step]) -> Result<Vec<Value>, Failure> {
        let mut ops = TextOps::default();
        for step in steps {
            match step {
                Step::Keep { old, new } => {
                    let formats = changed_formats(&old.formats, &new.formats);
                    let change = self.compare_kept_elements(old, new)?;
                    match change.is_empty() {
                        true => ops.retain(old.units(), formats),
                        false => ops.change(change, formats),
                    }
                }
                Step::Delete(element) => {
                    self.count_deleted(element)?;
                    ops.delete(element.units());
                }
                Step::Insert(element) => {
                    self.count_inserted(element)?;
                    match &element.what {
                        What::Text(piece) => ops.insert_text(piece.text(), &element.formats),
                        What::Embed(_) | What::Value(_) | What::Type(_) => {
                            let object = element_json(element, self.new, &mut self.json)?;
                            ops.insert_object(object, &element.formats);
                        }
                    }
                }
            }
        }
        Ok(ops.finish(&mut self.json)?)
    }

    fn list_ops(&mut self, steps: &[Step]) -> Result<Vec<Value>, Failure> {
        let mut ops = ListOps::default();
        for step in steps {
            match step {
                Step::Keep { old, new } => {
                    let change = self.compare_kept_elements(old, new)?;
                    match change.is_empty() {
                        true => ops.keep(),
                        false => ops.change(change),
                    }
                }
                Step::Delete(element) => {
                    self.count_deleted(element)?;
                    ops.delete(element_json(element, self.old, &mut self.json)?);
                }
                Step::Insert(element) => {
                    self.count_inserted(element)?;
                    ops.insert(element_json(element, self.new, &mut self.json)?);
                }
            }
        }
        Ok(ops.finish())
    }

    /// Compares what is in an element that stays. Only shared types have anything in them.
    fn compare_kept_elements(
        &mut self,
        old: &Element,
        new: &Element,
    ) -> Result<Map<String, Value>, Failure> {
        match (&old.what, &new.what) {
            (What::Type(old), What::Type(new)) => self.compare_kept(old, new),
            _ => Ok(Map::new()),
        }
    }

    fn compare_kept(&mut self, old: &Out, new: &Out) -> Result<Map<String, Value>, Failure> {
        match (branch_of(old), branch_of(new)) {
            (Some(one), Some(other)) => self.compare([one, other], Some(new)),
            _ => Ok(Map::new()),
        }
    }

    fn count_deleted(&mut self, element: &Element) -> Result<(), Failure> {
        let counts = ContentCounts::of_element(element, self.old, &mut self.allowance)?;
        self.add_deleted(counts);
        Ok(())
    }

    fn count_inserted(&mut self, element: &Element) -> Result<(), Failure> {
        let counts = ContentCounts::of_element(element, self.new, &mut self.allowance)?;
        self.add_inserted(counts);
        Ok(())
    }

    fn add_deleted(&mut self, ContentCounts { characters, nodes }: ContentCounts) {
        self.counts.deleted_characters += characters;
        self.counts.deleted_nodes += nodes;
    }

    fn add_inserted(&mut self, ContentCounts { characters, nodes }: ContentCounts) {
        self.counts.inserted_characters += characters;
        self.counts.inserted_nodes += nodes;
    }
}

fn is_xml(shared: &Out) -> bool {
    matches!(shared, Out::YXmlElement(_) | Out::YXmlFragment(_) | Out::YXmlText(_))
}

/// Returns an element as JSON, as in the content of a document.
fn element_json(
    element: &Element,
    txn: &Transaction<'_>,
    allowance: &mut JsonAllowance,
) -> Result<Value, JsonTooLarge> {
    match &element.what {
        What::Text(piece) => {
            allowance.spend(piece.text().len())?;
            Ok(piece.text().into())
        }
        What::Embed(object) | What::Value(object) => allowance.value(object),
        What::Type(shared) => shared_json(shared, txn, allowance),
    }
}

/// More JSON than a difference may have is too much work.
fn exhausted(JsonTooLarge: JsonTooLarge) -> Exhausted {
    Exhausted::Steps
}

impl From<JsonTooLarge> for Failure {
    fn from(too_large: JsonTooLarge) -> Self {
        Self::Exhausted(exhausted(too_large))
    }
}
