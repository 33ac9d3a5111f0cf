//! Replacing the content of a root type by a JSON tree, as the difference that this makes.
//!
//! The tree has the form in which [`Replica::content_json`] shows content. Nodes of the document are paired with nodes of the tree: first
//! equal ones, then similar ones of the same kind, in their order. A paired node stays the same item of Yjs, so positions in it and
//! what others write there meanwhile survive. Only what differs is written.

mod hidden_texts;
mod json;
mod json_maps;
mod json_xml;
mod node;
mod pairs;
mod update;

use std::hash::RandomState;

use serde_json::Value;
use thiserror::Error;
use yrs::branch::{Branch, BranchPtr};

pub(crate) use self::json::any_of;
use self::{
    json::BodyReader,
    node::{BodyNode, BodyNodeKind, MarkNames},
    update::BodyUpdate,
};
use super::{
    comparison::{Failure, ReadAllowance},
    marks::MARKS,
    merge::MergeBounds,
    replica::{Replica, TEXT},
    restoration::{RestoreError, Restored},
};

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
    kind: BodyKind,
    /// Whether the kind was not given. Then a root type that has content keeps its kind.
    is_guessed: bool,
    json: Value,
}

impl DocumentBody {
    /// The most bytes of the name of a root type.
    pub const MAX_ROOT_NAME: usize = 200;

    /// Reads the content of the root type `root`. Without a kind, a root type that has content keeps its own, and otherwise the tree tells it: an object with `ops` or a list of steps is a
    /// text, a node `doc` or a list of nodes is XML, another object is a map, and another list is a list.
    ///
    /// # Errors
    /// [`BodyMismatch`]: it is not content of this kind, is nested too deeply, or the root type cannot have it.
    pub fn new(root: &str, kind: Option<BodyKind>, json: Value) -> Result<Self, BodyMismatch> {
        if !Self::is_root_name(root) {
            let most = Self::MAX_ROOT_NAME;
            return Err(BodyMismatch::new(format!(
                "cannot be written into the root type {root:?}. Use a name of 1 to {most} bytes other than {MARKS:?}"
            )));
        }
        let is_guessed = kind.is_none();
        let kind = kind.unwrap_or_else(|| json::kind_of(&json));
        if root == TEXT && kind != BodyKind::Text {
            return Err(BodyMismatch::new(format!(
                "is not a list of steps, but the root type {TEXT:?} is always a text. Send steps such as {{\"insert\": \"Hello\"}}, or name another root type"
            )));
        }
        BodyReader::new(&MarkNames::default()).read(kind, &json, None)?;
        Ok(Self { root: root.to_owned(), kind, is_guessed, json })
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

    /// What the root type is.
    #[must_use]
    pub fn kind(&self) -> BodyKind {
        self.kind
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
        let root = self.doc.get_or_insert_text(body.root.as_str());
        let root = BranchPtr::from(AsRef::<Branch>::as_ref(&root));
        let written = self.write_restored(bounds, |txn, until| {
            let in_root = |failure: Failure| failure.in_root(&body.root);
            let mut allowance = ReadAllowance::default();
            let hashes = RandomState::new();
            let old = BodyNode::read(BodyNodeKind::Root, root, txn, &mut allowance, &hashes);
            let old = old.map_err(in_root)?;
            let names = MarkNames::of(&old);
            // It was read before, without the present content.
            let present = old.root_kind().filter(|_kind| body.is_guessed);
            let kind = present.unwrap_or(body.kind);
            let new = BodyReader::new(&names).read(kind, &body.json, Some(&old));
            let mut new = new.map_err(|_mismatch| in_root(Failure::Unsupported))?;
            new.digest(&hashes);
            BodyUpdate::new(txn, until, allowance).update(root, &old, &new).map_err(in_root)
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
