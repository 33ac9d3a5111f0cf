//! Shared types with everything in them, as a tree in memory.

use std::{collections::BTreeMap, sync::Arc};

use protocol::domain::Exhausted;
use yrs::{
    Any, ArrayPrelim, In, MapPrelim, MapRef, Out, ReadTxn, XmlElementPrelim, XmlFragmentPrelim,
    XmlTextPrelim,
    branch::BranchPtr,
    types::{Attrs, text::TextPrelim},
};

use super::{
    BodyKind,
    digests::Digests,
    hidden_texts::next_texts,
    mark_names::{NO_ATTRIBUTES, has_attributes},
};
use crate::{
    branches::{branch_of, entries},
    comparison::{Element, ElementSequence, Failure, ReadAllowance, What},
    content_json::mark_kind,
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
    digest: u64,
    /// Nodes with equal pieces have the same.
    digest_of_pieces: u64,
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

impl BodyPiece {
    /// Returns a number that pieces have in common which JSON shows as equal. In XML it shows formats as marks.
    pub(super) fn number(&self, is_xml: bool, digests: &Digests) -> Result<u64, Exhausted> {
        let formats = match is_xml {
            true => marks_number(&self.formats, digests)?,
            false => formats_number(&self.formats, digests)?,
        };
        Ok(match &self.what {
            BodyContent::Text(text) => digests.of((0_u8, text, formats)),
            content => digests.of((1_u8, content.number(digests)?, formats)),
        })
    }

    /// Returns the number of the step that inserts it into a text.
    fn number_of_step(&self, digests: &Digests) -> Result<u64, Exhausted> {
        let insert = ("insert", self.what.number(digests)?);
        Ok(match self.formats.is_empty() {
            true => digests.of_object(&[insert]),
            false => {
                let formats = formats_number(&self.formats, digests)?;
                digests.of_object(&[("attributes", formats), insert])
            }
        })
    }
}

impl BodyContent {
    /// The node that it is, if it is one.
    fn node(&self) -> Option<&BodyNode> {
        match self {
            Self::Node(node) => Some(node),
            Self::Text(_) | Self::Embed(_) | Self::Value(_) => None,
        }
    }

    /// Returns the number of its JSON. Those of nodes must be computed.
    fn number(&self, digests: &Digests) -> Result<u64, Exhausted> {
        match self {
            Self::Text(text) => Ok(digests.of_string(text)),
            Self::Embed(value) | Self::Value(value) => digests.of_value(value),
            Self::Node(node) => Ok(node.digest),
        }
    }
}

impl BodyEntry {
    /// Returns the number of its JSON. That of a node must be computed.
    pub(super) fn number(&self, digests: &Digests) -> Result<u64, Exhausted> {
        match self {
            Self::Value(value) => digests.of_value(value),
            Self::Node(node) => Ok(node.digest),
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Value(Any::Null | Any::Undefined))
    }
}

/// Returns the number of formats that are shown as marks: without the hashes in their names, and without a value that is no object.
fn marks_number(formats: &Attrs, digests: &Digests) -> Result<u64, Exhausted> {
    let numbers = formats.iter().map(|(name, value)| {
        let attributes = match has_attributes(value) {
            true => digests.of_value(value)?,
            false => NO_ATTRIBUTES,
        };
        Ok((mark_kind(name), attributes))
    });
    let mut numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    numbers.sort_unstable();
    Ok(digests.of_object(&numbers))
}

fn formats_number(formats: &Attrs, digests: &Digests) -> Result<u64, Exhausted> {
    let numbers = formats.iter().map(|(name, value)| Ok((&**name, digests.of_value(value)?)));
    let mut numbers = numbers.collect::<Result<Vec<_>, _>>()?;
    numbers.sort_unstable();
    Ok(digests.of_object(&numbers))
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

    /// Whether two nodes have the same content. The digests of both must be computed, with the same keys.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    /// Whether two nodes have the same pieces. As [`is_same`](Self::is_same).
    pub(super) fn has_same_pieces(&self, other: &Self) -> bool {
        self.digest_of_pieces == other.digest_of_pieces
    }

    /// The digest, for comparing many nodes.
    pub(super) fn number(&self) -> u64 {
        self.digest
    }

    /// Computes the digests of this node and of those in it.
    ///
    /// # Errors
    /// The budget ended.
    pub(super) fn digest(&mut self, digests: &Digests) -> Result<(), Exhausted> {
        for entry in self.entries.values_mut() {
            if let BodyEntry::Node(node) = entry {
                node.digest(digests)?;
            }
        }
        for piece in &mut self.pieces {
            if let BodyContent::Node(node) = &mut piece.what {
                Arc::make_mut(node).digest(digests)?;
            }
        }
        self.digest_itself(digests)
    }

    /// Computes the digests of this node. Those of the nodes in it must be computed.
    fn digest_itself(&mut self, digests: &Digests) -> Result<(), Exhausted> {
        self.digest_of_pieces = self.compute_digest_of_pieces(digests)?;
        self.digest = match self.kind {
            BodyNodeKind::Map => digests.of_object(&self.numbers_of_entries(digests)?),
            BodyNodeKind::List => {
                let elements = self.pieces.iter().map(|piece| piece.what.number(digests));
                digests.of_list(&elements.collect::<Result<Vec<_>, _>>()?)
            }
            BodyNodeKind::Text => {
                let steps = self.pieces.iter().map(|piece| piece.number_of_step(digests));
                digests.of_list(&steps.collect::<Result<Vec<_>, _>>()?)
            }
            BodyNodeKind::Root
            | BodyNodeKind::Element(_)
            | BodyNodeKind::XmlText
            | BodyNodeKind::Fragment => {
                let entries = self.numbers_of_entries(digests)?;
                digests.of((&self.kind, entries, self.digest_of_pieces))
            }
        };
        Ok(())
    }

    /// Attributes of XML that are null count as none.
    fn numbers_of_entries(&self, digests: &Digests) -> Result<Vec<(&str, u64)>, Exhausted> {
        let entries = self.entries.iter();
        let entries = entries.filter(|(_key, entry)| !(self.kind.is_xml() && entry.is_null()));
        entries.map(|(key, entry)| Ok((key.as_str(), entry.number(digests)?))).collect()
    }

    /// XML texts that follow each other count as one, and empty ones do not count.
    fn compute_digest_of_pieces(&self, digests: &Digests) -> Result<u64, Exhausted> {
        let mut numbers = Vec::with_capacity(self.pieces.len());
        let is_xml = self.kind.is_xml();
        let mut pieces = self.pieces.iter().peekable();
        while pieces.peek().is_some() {
            if let Some(texts) = next_texts(&mut pieces) {
                let mut joined = Self::new(BodyNodeKind::XmlText);
                texts.into_iter().for_each(|piece| joined.push(piece.clone()));
                if !joined.pieces.is_empty() {
                    numbers.push(digests.of((2_u8, joined.numbers_of_texts(digests)?)));
                }
            } else if let Some(piece) = pieces.next() {
                numbers.push(piece.number(is_xml, digests)?);
            }
        }
        Ok(digests.of(numbers))
    }

    /// Returns the numbers of the pieces of an XML text. Text with the same marks is one piece.
    fn numbers_of_texts(&self, digests: &Digests) -> Result<Vec<u64>, Exhausted> {
        let mut numbers = Vec::with_capacity(self.pieces.len());
        let mut open: Option<(u64, String)> = None;
        let number = |(marks, text): (u64, String)| digests.of((0_u8, text, marks));
        for piece in &self.pieces {
            let BodyContent::Text(text) = &piece.what else {
                numbers.extend(open.take().map(number));
                numbers.push(piece.number(true, digests)?);
                continue;
            };
            let marks = marks_number(&piece.formats, digests)?;
            match &mut open {
                Some((before, joined)) if *before == marks => joined.push_str(text),
                _ => numbers.extend(open.replace((marks, text.clone())).map(number)),
            }
        }
        numbers.extend(open.map(number));
        Ok(numbers)
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
