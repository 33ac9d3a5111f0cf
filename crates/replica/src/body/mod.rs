//! Replacing the content of a root type by a JSON tree, as the difference that this makes.
//!
//! The tree has the form in which [`Replica::content_json`] shows content. Nodes of the document are paired with nodes of the tree: first
//! equal ones, then similar ones of the same kind, in their order. A paired node stays the same item of Yjs, so positions in it and
//! what others write there meanwhile survive. Only what differs is written.

mod digests;
mod hidden_texts;
mod json;
mod json_maps;
mod json_xml;
mod mark_names;
mod node;
mod node_numbers;
mod pairs;
mod plain;
mod shape;
mod unchanged;
mod update;

use std::sync::Arc;

use protocol::domain::Budget;
use serde_json::Value;
use thiserror::Error;
use yrs::branch::{Branch, BranchPtr};

pub(crate) use self::json::any_of;
use self::{
    digests::Digests,
    json::BodyReader,
    mark_names::MarkNames,
    node::{BodyNode, BodyNodeKind},
    shape::Shape,
    update::BodyUpdate,
};
use super::{
    comparison::{Failure, ReadAllowance},
    marks::MARKS,
    merge::MergeBounds,
    replica::{Replica, TEXT},
    restoration::{RestoreError, Restored},
};

/// The most bytes of the JSON of present content for which it is checked that the JSON shows all of it. No client can read more.
const MAX_CHECKED_JSON: usize = 96 * 1024 * 1024;

/// What a root type is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyKind {
    /// A text with formats and embedded objects (`Y.Text`), as Quill has it.
    Text,
    /// A tree of XML (`Y.XmlFragment`), as ProseMirror has it.
    Xml,
    /// A map (`Y.Map`).
    Map,
    /// A list (`Y.Array`).
    List,
}

impl BodyKind {
    /// Returns the kind that a tree looks like.
    #[must_use]
    pub fn of(json: &Value) -> Self {
        json::kind_of(json)
    }

    /// Returns a name of the kind that never changes.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Xml => "xml",
            Self::Map => "map",
            Self::List => "list",
        }
    }
}

/// A JSON tree is not the content of a root type. The message may be shown: it says what is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`body{at}` {what}")]
pub struct BodyMismatch {
    at: String,
    what: String,
}

impl BodyMismatch {
    fn new(what: impl Into<String>) -> Self {
        Self { at: String::new(), what: what.into() }
    }

    fn within(mut self, step: &str) -> Self {
        self.at.insert_str(0, step);
        self
    }
}

/// New content of a root type.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentBody {
    root: String,
    /// The kind that was given, or else what the tree looks like.
    kind: BodyKind,
    /// `None` if the kind was given. Otherwise a root type that has content keeps its kind, and another one becomes what the tree
    /// looks like, if it is that.
    guess: Option<Result<(), BodyMismatch>>,
    json: Arc<Value>,
}

impl DocumentBody {
    /// The most bytes of the name of a root type.
    pub const MAX_ROOT_NAME: usize = 200;

    /// Reads the content of the root type `root`. Without a kind, a root type that has content keeps its own, and otherwise the tree
    /// tells it: an object with `ops` or a list of steps is a text, a node `doc` or a list of nodes is XML, an object with `attrs` and
    /// `content` is what the content is, another object is a map, and another list is a list.
    ///
    /// # Errors
    /// [`BodyMismatch`]: it is not content of the kind that is given, or the root type cannot have it.
    pub fn new(
        root: &str,
        kind: Option<BodyKind>,
        json: impl Into<Arc<Value>>,
    ) -> Result<Self, BodyMismatch> {
        let json = json.into();
        if !Self::is_root_name(root) {
            let most = Self::MAX_ROOT_NAME;
            return Err(BodyMismatch::new(format!(
                "cannot be written into the root type {root:?}. Use a name of 1 to {most} bytes other than {MARKS:?}"
            )));
        }
        let is_empty_text = root == TEXT && json.as_array().is_some_and(Vec::is_empty);
        let looks_like = match kind {
            Some(kind) => kind,
            None if is_empty_text => BodyKind::Text,
            None => BodyKind::of(&json),
        };
        if root == TEXT && looks_like != BodyKind::Text {
            return Err(BodyMismatch::new(format!(
                "is not a list of steps, but the root type {TEXT:?} is always a text. Send steps such as {{\"insert\": \"Hello\"}}, or name another root type"
            )));
        }
        let digests = Digests::new(&Budget::unlimited());
        let reader = BodyReader { names: &MarkNames::none(&digests), shape: Shape::none() };
        let read = reader.read(looks_like, &json).map(|_body| ());
        let guess = match (kind, root) {
            (Some(_), _) | (None, TEXT) => {
                read?;
                None
            }
            (None, _) => Some(read),
        };
        Ok(Self { root: root.to_owned(), kind: looks_like, guess, json })
    }

    /// Whether a root type with this name can be the body.
    #[must_use]
    pub fn is_root_name(name: &str) -> bool {
        !name.is_empty() && name.len() <= Self::MAX_ROOT_NAME && name != MARKS
    }

    /// The name of the root type.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The kind that was given, or else what the tree looks like.
    #[must_use]
    pub fn kind(&self) -> BodyKind {
        self.kind
    }

    fn has_nodes(&self) -> bool {
        self.json.as_array().is_some_and(|nodes| !nodes.is_empty())
    }

    /// Returns what the root type becomes, whose content is `old`.
    fn kind_for(&self, old: &BodyNode) -> Result<BodyKind, BodyMismatch> {
        let Some(guess) = &self.guess else { return Ok(self.kind) };
        match old.root_kind() {
            // The entries may be attributes, which an empty fragment may have.
            Some(BodyKind::Map) if self.kind == BodyKind::Xml && self.has_nodes() => {}
            Some(present) => return Ok(present),
            None => {}
        }
        guess.clone().map(|()| self.kind)
    }

    /// The tree.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }
}

impl Replica {
    /// Gives a root type new content. Returns `None` if it has that content already.
    ///
    /// # Errors
    /// [`RestoreError`]. The replica is not returned then, because it may have a part of the content.
    pub fn replace_body(
        mut self,
        body: &DocumentBody,
        bounds: &MergeBounds,
    ) -> (Option<Self>, Result<Option<Restored>, RestoreError>) {
        let shown = self.root_json_within(&body.root, MAX_CHECKED_JSON);
        let root = self.doc.get_or_insert_text(body.root.as_str());
        let root = BranchPtr::from(AsRef::<Branch>::as_ref(&root));
        let written = self.write_restored(bounds, |txn, until| {
            let in_root = |failure: Failure| failure.in_root(&body.root);
            let digests = Digests::new(&until.budget);
            let mut allowance = ReadAllowance::default();
            let old = BodyNode::read(BodyNodeKind::Root, root, txn, &mut allowance, &digests);
            let old = old.map_err(in_root)?;
            let kind = body.kind_for(&old)?;
            let names = MarkNames::of(&old, &digests)?;
            let reader = BodyReader { names: &names, shape: &Shape::of(&old) };
            let stays = old.root_kind().is_none_or(|present| present == kind);
            if stays && let Ok(Some(shown)) = shown {
                let mut again = reader.read_beside(kind, &shown, &old, true);
                if let Ok(again) = &mut again {
                    again.digest(&digests)?;
                }
                // Reading it would change what JSON does not show, and nobody would notice.
                if !again.is_ok_and(|again| again.is_same(&old)) {
                    return Err(in_root(Failure::Unsupported));
                }
            }
            // A tree without entries says nothing about those beside a sequence.
            let keeps_entries = old.has_both() || body.guess.is_some() || body.root == TEXT;
            let mut new = reader.read_beside(kind, &body.json, &old, keeps_entries)?;
            new.digest(&digests)?;
            let mut update = BodyUpdate::new(txn, until, allowance, &digests);
            let written = match stays {
                true => update.update(root, &old, &new),
                false => update.convert(root, &old, &new),
            };
            written.map_err(in_root)
        });
        match written {
            Ok(written) => (Some(self), Ok(written)),
            Err(error) => (None, Err(error)),
        }
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;

#[cfg(test)]
mod random_content_tests;
#[cfg(test)]
mod replacement_cost_tests;
#[cfg(test)]
mod root_kind_tests;
#[cfg(test)]
mod shared_types_tests;
