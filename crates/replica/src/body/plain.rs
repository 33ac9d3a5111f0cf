//! Shared types as values.

use std::{collections::HashMap, sync::Arc};

use yrs::Any;

use super::node::{BodyContent, BodyEntry, BodyNode, BodyNodeKind, BodyPiece};

/// Returns a map, a list or a text as a value with the same JSON. `None` for XML, and for what has XML in it.
pub(super) fn plain(node: &BodyNode) -> Option<Any> {
    match node.kind {
        BodyNodeKind::Map => {
            let entry = |(key, entry): (&String, &BodyEntry)| {
                let value = match entry {
                    BodyEntry::Value(value) => value.clone(),
                    BodyEntry::Node(node) => plain(node)?,
                };
                Some((key.clone(), value))
            };
            let entries: Option<HashMap<_, _>> = node.entries.iter().map(entry).collect();
            entries.map(|entries| Any::Map(Arc::new(entries)))
        }
        BodyNodeKind::List => {
            let values: Option<Vec<Any>> =
                node.pieces.iter().map(|piece| plain_content(&piece.what)).collect();
            values.map(|values| Any::Array(values.into()))
        }
        BodyNodeKind::Text => {
            let steps: Option<Vec<Any>> = node.pieces.iter().map(step).collect();
            steps.map(|steps| Any::Array(steps.into()))
        }
        BodyNodeKind::Root
        | BodyNodeKind::Element(_)
        | BodyNodeKind::XmlText
        | BodyNodeKind::Fragment => None,
    }
}

/// Returns a piece of a text as the step that inserts it.
fn step(piece: &BodyPiece) -> Option<Any> {
    let mut step = HashMap::from([("insert".to_owned(), plain_content(&piece.what)?)]);
    if !piece.formats.is_empty() {
        let formats = piece.formats.iter().map(|(name, value)| (name.to_string(), value.clone()));
        step.insert("attributes".to_owned(), Any::Map(Arc::new(formats.collect())));
    }
    Some(Any::Map(Arc::new(step)))
}

fn plain_content(content: &BodyContent) -> Option<Any> {
    match content {
        BodyContent::Text(text) => Some(Any::from(text.as_str())),
        BodyContent::Embed(value) | BodyContent::Value(value) => Some(value.clone()),
        BodyContent::Node(node) => plain(node),
    }
}
