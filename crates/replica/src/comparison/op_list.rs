//! The differences of two sequences as lists of JSON: the steps of a text as a Quill delta, those of a list with its elements.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use yrs::types::Attrs;

use crate::{
    content_json::formats_json,
    json_allowance::{JsonAllowance, JsonTooLarge},
};

/// A step of a text.
enum TextOp {
    Retain(u32, Option<Attrs>),
    /// An embedded shared type that stays and has changed inside.
    Change(Map<String, Value>, Option<Attrs>),
    Delete(u32),
    InsertText(String, Arc<Attrs>),
    InsertObject(Value, Arc<Attrs>),
}

/// The steps of a text, joined where they do the same.
#[derive(Default)]
pub(super) struct TextOps(Vec<TextOp>);

impl TextOps {
    pub(super) fn retain(&mut self, units: u32, formats: Option<Attrs>) {
        match self.0.last_mut() {
            Some(TextOp::Retain(last, before)) if *before == formats => *last += units,
            _ => self.0.push(TextOp::Retain(units, formats)),
        }
    }

    pub(super) fn change(&mut self, change: Map<String, Value>, formats: Option<Attrs>) {
        self.0.push(TextOp::Change(change, formats));
    }

    pub(super) fn delete(&mut self, units: u32) {
        match self.0.last_mut() {
            Some(TextOp::Delete(last)) => *last += units,
            _ => self.0.push(TextOp::Delete(units)),
        }
    }

    pub(super) fn insert_text(&mut self, text: &str, formats: &Arc<Attrs>) {
        match self.0.last_mut() {
            Some(TextOp::InsertText(last, before)) if *before == *formats => last.push_str(text),
            _ => self.0.push(TextOp::InsertText(text.to_owned(), Arc::clone(formats))),
        }
    }

    pub(super) fn insert_object(&mut self, object: Value, formats: &Arc<Attrs>) {
        self.0.push(TextOp::InsertObject(object, Arc::clone(formats)));
    }

    /// Returns the steps as JSON, without those at the end that change nothing. Each step repeats its formats, so they are spent.
    pub(super) fn finish(
        mut self,
        allowance: &mut JsonAllowance,
    ) -> Result<Vec<Value>, JsonTooLarge> {
        while let Some(TextOp::Retain(_, None)) = self.0.last() {
            self.0.pop();
        }
        self.0.into_iter().map(|op| text_op(op, allowance)).collect()
    }
}

fn text_op(op: TextOp, allowance: &mut JsonAllowance) -> Result<Value, JsonTooLarge> {
    let (mut op, formats): (Map<String, Value>, _) = match op {
        TextOp::Retain(units, formats) => (member("retain", units), formats.map(Arc::new)),
        TextOp::Change(change, formats) => {
            let mut op = member("retain", 1_u32);
            op.insert("change".to_owned(), Value::Object(change));
            (op, formats.map(Arc::new))
        }
        TextOp::Delete(units) => (member("delete", units), None),
        TextOp::InsertText(text, formats) => {
            allowance.spend(text.len())?;
            (member("insert", text), Some(formats))
        }
        TextOp::InsertObject(object, formats) => (member("insert", object), Some(formats)),
    };
    if let Some(formats) = formats.filter(|formats| !formats.is_empty()) {
        op.insert("attributes".to_owned(), formats_json(&formats, allowance)?);
    }
    Ok(Value::Object(op))
}

fn member(name: &str, value: impl Into<Value>) -> Map<String, Value> {
    [(name.to_owned(), value.into())].into_iter().collect()
}

/// A step of a list.
enum ListOp {
    Keep(u32),
    Delete(Vec<Value>),
    Insert(Vec<Value>),
    /// A shared type that stays and has changed inside.
    Change(Map<String, Value>),
}

/// The steps of a list, joined where they do the same.
#[derive(Default)]
pub(super) struct ListOps(Vec<ListOp>);

impl ListOps {
    pub(super) fn keep(&mut self) {
        match self.0.last_mut() {
            Some(ListOp::Keep(count)) => *count += 1,
            _ => self.0.push(ListOp::Keep(1)),
        }
    }

    pub(super) fn change(&mut self, change: Map<String, Value>) {
        self.0.push(ListOp::Change(change));
    }

    pub(super) fn delete(&mut self, element: Value) {
        match self.0.last_mut() {
            Some(ListOp::Delete(elements)) => elements.push(element),
            _ => self.0.push(ListOp::Delete(vec![element])),
        }
    }

    pub(super) fn insert(&mut self, element: Value) {
        match self.0.last_mut() {
            Some(ListOp::Insert(elements)) => elements.push(element),
            _ => self.0.push(ListOp::Insert(vec![element])),
        }
    }

    /// Returns the steps as JSON, without those at the end that change nothing.
    pub(super) fn finish(mut self) -> Vec<Value> {
        while let Some(ListOp::Keep(_)) = self.0.last() {
            self.0.pop();
        }
        let op = |op| match op {
            ListOp::Keep(count) => json!({ "keep": count }),
            ListOp::Delete(elements) => json!({ "delete": elements }),
            ListOp::Insert(elements) => json!({ "insert": elements }),
            ListOp::Change(change) => json!({ "change": change }),
        };
        self.0.into_iter().map(op).collect()
    }
}
