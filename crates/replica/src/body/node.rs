//! Shared types with everything in them, as a tree in memory.

use std::{collections::BTreeMap, sync::Arc};

use yrs::{
    Any, ArrayPrelim, In, MapPrelim, MapRef, Out, ReadTxn, XmlElementPrelim, XmlFragmentPrelim,
    XmlTextPrelim,
    branch::BranchPtr,
    types::{Attrs, text::TextPrelim},
};

use super::{BodyKind, digests::Digests};
use crate::{
    branches::{branch_of, entries},
    comparison::{Element, ElementSequence, Failure, ReadAllowance, What},
    subdocuments::guid_of,
};

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum BodyNodeKind {
    /// A root type, of any kind.
    Root,
    /// An XML element with this name.
    Element(Arc<str>),
    XmlText,
    Fragment,
    Text,
    Map,
    List,
}

impl BodyNodeKind {
    /// Returns the kind of a nested type. `None` for a value.
    fn of(shared: &Out) -> Option<Self> {
        Some(match shared {
            Out::YXmlElement(element) => Self::Element(element.tag().clone()),
            Out::YXmlText(_) => Self::XmlText,
            Out::YXmlFragment(_) => Self::Fragment,
            Out::YText(_) => Self::Text,
            Out::YMap(_) => Self::Map,
            Out::YArray(_) => Self::List,
            Out::Any(_) | Out::YDoc(_) | Out::UndefinedRef(_) => return None,
        })
    }

    /// Whether it is XML within a root type.
    pub(super) fn is_xml(&self) -> bool {
        matches!(self, Self::Element(_) | Self::XmlText | Self::Fragment)
    }

    /// Returns an empty type of this kind.
    pub(super) fn blank(&self) -> In {
        match self {
            Self::Element(name) => In::XmlElement(XmlElementPrelim::empty(Arc::clone(name))),
            Self::XmlText => In::XmlText(XmlTextPrelim::new("").into()),
            Self::Fragment => In::XmlFragment(XmlFragmentPrelim::default()),
            Self::Root | Self::Text => In::Text(TextPrelim::default().into()),
            Self::Map => In::Map(MapPrelim::default()),
            Self::List => In::Array(ArrayPrelim::default()),
        }
    }
}

/// A shared type with everything in it.
#[derive(Debug, Clone)]
pub(super) struct BodyNode {
    pub(super) kind: BodyNodeKind,
    /// The entries of a map, or the attributes of XML.
    pub(super) entries: BTreeMap<String, BodyEntry>,
    pub(super) pieces: Vec<BodyPiece>,
    /// Nodes that JSON shows as equal have the same. That of a map, a list or a text is the one of its JSON.
    pub(super) digest: u64,
    /// Nodes with equal pieces have the same.
    pub(super) digest_of_pieces: u64,
}

/// The value of an entry.
#[derive(Debug, Clone)]
pub(super) enum BodyEntry {
    Value(Any),
    Node(BodyNode),
}

/// A piece of the sequence of a node.
#[derive(Debug, Clone)]
pub(super) struct BodyPiece {
    pub(super) what: BodyContent,
    pub(super) formats: Arc<Attrs>,
}

/// What a piece is.
#[derive(Debug, Clone)]
pub(super) enum BodyContent {
    Text(String),
    /// An object in a text.
    Embed(Any),
    /// A value of a list.
    Value(Any),
    /// Shared, so that pieces are cheap to clone.
    Node(Arc<BodyNode>),
}

impl BodyContent {
    /// The node that it is, if it is one.
    fn node(&self) -> Option<&BodyNode> {
        match self {
            Self::Node(node) => Some(node),
            Self::Text(_) | Self::Embed(_) | Self::Value(_) => None,
        }
    }
}

impl BodyEntry {
    /// Whether JSON shows nothing of it as an attribute of XML.
    pub(super) fn is_null(&self) -> bool {
        matches!(self, Self::Value(Any::Null | Any::Undefined))
    }
}

impl BodyNode {
    /// Returns an empty node.
    pub(super) fn new(kind: BodyNodeKind) -> Self {
        Self { kind, entries: BTreeMap::new(), pieces: vec![], digest: 0, digest_of_pieces: 0 }
    }

    /// Returns a node with the same kind and entries, and these pieces. Its digests are not computed.
    pub(super) fn with_pieces(&self, pieces: Vec<BodyPiece>) -> Self {
        Self { entries: self.entries.clone(), pieces, ..Self::new(self.kind.clone()) }
    }

    /// Reads a shared type. Shared types nest 128 deep at most.
    ///
    /// # Errors
    /// It has content of a kind that cannot be written again, or too much of it.
    pub(super) fn read(
        kind: BodyNodeKind,
        branch: BranchPtr,
        txn: &impl ReadTxn,
        allowance: &mut ReadAllowance,
        digests: &Digests,
    ) -> Result<Self, Failure> {
        let mut node = Self::new(kind);
        // JSON does not show the attributes of a text in another type, so they stay.
        if node.kind != BodyNodeKind::Text {
            for (key, value) in entries(&MapRef::from(branch), txn) {
                let entry = match value {
                    Out::Any(value) => BodyEntry::Value(value),
                    shared => BodyEntry::Node(Self::read_nested(&shared, txn, allowance, digests)?),
                };
                node.entries.insert(key, entry);
            }
        }
        for Element { what, formats } in ElementSequence::read(branch, txn, allowance)?.elements {
            let what = match what {
                What::Text(piece) => BodyContent::Text(piece.text().to_owned()),
                What::Embed(value) => BodyContent::Embed(value),
                // In JSON it would be an object, which is no subdocument.
                What::Value(value) if guid_of(&value).is_some() => {
                    return Err(Failure::Unsupported);
                }
                What::Value(value) => BodyContent::Value(value),
                What::Type(shared) => {
                    BodyContent::Node(Self::read_nested(&shared, txn, allowance, digests)?.into())
                }
            };
            node.push(BodyPiece { what, formats });
        }
        node.digest_itself(digests)?;
        Ok(node)
    }

    fn read_nested(
        shared: &Out,
        txn: &impl ReadTxn,
        allowance: &mut ReadAllowance,
        digests: &Digests,
    ) -> Result<Self, Failure> {
        match (BodyNodeKind::of(shared), branch_of(shared)) {
            (Some(kind), Some(branch)) => Self::read(kind, branch, txn, allowance, digests),
            _ => Err(Failure::Unsupported),
        }
    }

    /// Adds a piece. Text is joined with the text before it if the formats are the same.
    pub(super) fn push(&mut self, piece: BodyPiece) {
        if let (Some(last), BodyContent::Text(text)) = (self.pieces.last_mut(), &piece.what)
            && let BodyContent::Text(before) = &mut last.what
            && last.formats == piece.formats
        {
            before.push_str(text);
            return;
        }
        self.pieces.push(piece);
    }

    /// Returns the nodes of the sequence.
    pub(super) fn children(&self) -> Vec<&Self> {
        self.pieces.iter().filter_map(|piece| piece.what.node()).collect()
    }

    /// Whether it has both a sequence and entries.
    pub(super) fn has_both(&self) -> bool {
        !self.pieces.is_empty() && !self.entries.is_empty()
    }

    /// Whether JSON that is sent back must have an entry. Attributes of XML that are null may be left out.
    pub(super) fn is_shown(&self, key: &str) -> bool {
        let is_null = self.entries.get(key).is_some_and(BodyEntry::is_null);
        !(self.kind.is_xml() && is_null)
    }

    /// Returns what a root type with this content is. `None` if it has none. One with a sequence may also have entries.
    pub(super) fn root_kind(&self) -> Option<BodyKind> {
        if self.pieces.is_empty() {
            return (!self.entries.is_empty()).then_some(BodyKind::Map);
        }
        let is_text =
            |piece: &BodyPiece| matches!(piece.what, BodyContent::Text(_) | BodyContent::Embed(_));
        if self.pieces.iter().any(is_text) {
            return Some(BodyKind::Text);
        }
        let is_xml = |piece: &BodyPiece| match &piece.what {
            BodyContent::Node(node) => {
                matches!(node.kind, BodyNodeKind::Element(_) | BodyNodeKind::XmlText)
            }
            BodyContent::Text(_) | BodyContent::Embed(_) | BodyContent::Value(_) => false,
        };
        match self.pieces.iter().all(is_xml) {
            true => Some(BodyKind::Xml),
            false => Some(BodyKind::List),
        }
    }

    /// Calls `visit` with each piece of text in it.
    pub(super) fn visit_texts<'a>(&'a self, visit: &mut impl FnMut(&'a str)) {
        for piece in &self.pieces {
            match &piece.what {
                BodyContent::Text(text) => visit(text),
                BodyContent::Node(node) => node.visit_texts(visit),
                BodyContent::Embed(_) | BodyContent::Value(_) => {}
            }
        }
    }
}
