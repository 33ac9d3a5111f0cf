//! Shared types with everything in them, as a tree in memory.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, Hash as _, Hasher, RandomState},
    sync::Arc,
};

use yrs::{
    Any, ArrayPrelim, In, MapPrelim, MapRef, Out, ReadTxn, XmlElementPrelim, XmlFragmentPrelim,
    XmlTextPrelim,
    any::Number,
    branch::BranchPtr,
    types::{Attrs, text::TextPrelim},
};

use super::{BodyKind, hidden_texts::next_texts};
use crate::{
    branches::{branch_of, entries},
    comparison::{Element, ElementSequence, Failure, ReadAllowance, What, canonical},
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
    /// Equal nodes have the same.
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
    Node(BodyNode),
}

impl BodyPiece {
    fn hash(&self, hash: &mut impl Hasher) {
        let formats: BTreeMap<_, _> = self.formats.iter().collect();
        for (name, value) in formats {
            (name, canonical(&as_json(value))).hash(hash);
        }
        match &self.what {
            BodyContent::Text(text) => (0_u8, text).hash(hash),
            BodyContent::Embed(value) => (1_u8, canonical(&as_json(value))).hash(hash),
            BodyContent::Value(value) => (2_u8, canonical(&as_json(value))).hash(hash),
            BodyContent::Node(node) => (3_u8, node.digest).hash(hash),
        }
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
        hashes: &RandomState,
    ) -> Result<Self, Failure> {
        let mut node = Self::new(kind);
        for (key, value) in entries(&MapRef::from(branch), txn) {
            let entry = match value {
                Out::Any(value) => BodyEntry::Value(value),
                shared => BodyEntry::Node(Self::read_nested(&shared, txn, allowance, hashes)?),
            };
            node.entries.insert(key, entry);
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
                    BodyContent::Node(Self::read_nested(&shared, txn, allowance, hashes)?)
                }
            };
            node.push(BodyPiece { what, formats });
        }
        node.digest_itself(hashes);
        Ok(node)
    }

    fn read_nested(
        shared: &Out,
        txn: &impl ReadTxn,
        allowance: &mut ReadAllowance,
        hashes: &RandomState,
    ) -> Result<Self, Failure> {
        match (BodyNodeKind::of(shared), branch_of(shared)) {
            (Some(kind), Some(branch)) => Self::read(kind, branch, txn, allowance, hashes),
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
        let children = self.pieces.iter().filter_map(|piece| match &piece.what {
            BodyContent::Node(node) => Some(node),
            BodyContent::Text(_) | BodyContent::Embed(_) | BodyContent::Value(_) => None,
        });
        children.collect()
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
    pub(super) fn digest(&mut self, hashes: &RandomState) {
        for entry in self.entries.values_mut() {
            if let BodyEntry::Node(node) = entry {
                node.digest(hashes);
            }
        }
        for piece in &mut self.pieces {
            if let BodyContent::Node(node) = &mut piece.what {
                node.digest(hashes);
            }
        }
        self.digest_itself(hashes);
    }

    /// Computes the digests of this node. Those of the nodes in it must be computed.
    fn digest_itself(&mut self, hashes: &RandomState) {
        self.digest_of_pieces = self.compute_digest_of_pieces(hashes);
        let mut hash = hashes.build_hasher();
        self.kind.hash(&mut hash);
        self.entries.len().hash(&mut hash);
        for (key, entry) in &self.entries {
            key.hash(&mut hash);
            match entry {
                BodyEntry::Value(value) => canonical(&as_json(value)).hash(&mut hash),
                BodyEntry::Node(node) => node.digest.hash(&mut hash),
            }
        }
        self.digest_of_pieces.hash(&mut hash);
        self.digest = hash.finish();
    }

    /// XML texts that follow each other count as one, and empty ones do not count.
    fn compute_digest_of_pieces(&self, hashes: &RandomState) -> u64 {
        let mut hash = hashes.build_hasher();
        let mut pieces = self.pieces.iter().peekable();
        while pieces.peek().is_some() {
            if let Some(texts) = next_texts(&mut pieces) {
                let mut joined = Self::new(BodyNodeKind::XmlText);
                texts.into_iter().for_each(|piece| joined.push(piece.clone()));
                if !joined.pieces.is_empty() {
                    4_u8.hash(&mut hash);
                    joined.pieces.iter().for_each(|piece| piece.hash(&mut hash));
                    5_u8.hash(&mut hash);
                }
            } else if let Some(piece) = pieces.next() {
                piece.hash(&mut hash);
            }
        }
        hash.finish()
    }

    /// Returns what a root type with this content is. `None` if it has none, or both a sequence and entries.
    pub(super) fn root_kind(&self) -> Option<BodyKind> {
        let Some(first) = self.pieces.first() else {
            return (!self.entries.is_empty()).then_some(BodyKind::Map);
        };
        if !self.entries.is_empty() {
            return None;
        }
        let is_text =
            |piece: &BodyPiece| matches!(piece.what, BodyContent::Text(_) | BodyContent::Embed(_));
        if self.pieces.iter().any(is_text) {
            return Some(BodyKind::Text);
        }
        Some(match &first.what {
            BodyContent::Node(node) => match node.kind {
                BodyNodeKind::Element(_) | BodyNodeKind::XmlText | BodyNodeKind::Fragment => {
                    BodyKind::Xml
                }
                BodyNodeKind::Root
                | BodyNodeKind::Text
                | BodyNodeKind::Map
                | BodyNodeKind::List => BodyKind::List,
            },
            BodyContent::Text(_) | BodyContent::Embed(_) | BodyContent::Value(_) => BodyKind::List,
        })
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

/// Returns a value as it is after it was written as JSON and read again: whole numbers are integers, and nothing is undefined.
pub(super) fn as_json(value: &Any) -> Any {
    match value {
        Any::Undefined => Any::Null,
        Any::Number(Number::Float(value)) => Any::Number(whole(*value)),
        Any::Array(values) => Any::Array(values.iter().map(as_json).collect()),
        Any::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| (key.clone(), as_json(value)));
            Any::Map(Arc::new(entries.collect()))
        }
        value => match guid_of(value) {
            // As `content_json` shows it.
            Some(guid) => Any::Map(Arc::new(HashMap::from([("guid".to_owned(), guid.into())]))),
            None => value.clone(),
        },
    }
}

/// Returns a number as an integer if it is one that JavaScript represents exactly.
#[allow(clippy::cast_possible_truncation, reason = "the number is whole and in the range")]
fn whole(value: f64) -> Number {
    match value.fract() == 0.0 && value.abs() <= Number::F64_MAX_SAFE_INTEGER {
        true => Number::Int(value as i64),
        false => Number::Float(value),
    }
}

/// The names under which the document has its marks. The binding of ProseMirror appends a hash to the names of marks that may overlap
/// with others of their kind, which JSON does not show.
#[derive(Debug, Default)]
pub(super) struct MarkNames(BTreeMap<(String, String), (Arc<str>, Any)>);

impl MarkNames {
    pub(super) fn of(node: &BodyNode) -> Self {
        let mut names = Self::default();
        names.add(node);
        names
    }

    fn add(&mut self, node: &BodyNode) {
        for BodyPiece { what, formats } in &node.pieces {
            for (name, value) in formats.iter() {
                let key = (mark_kind(name).to_owned(), attributes_of(value));
                self.0.entry(key).or_insert_with(|| (Arc::clone(name), value.clone()));
            }
            if let BodyContent::Node(node) = what {
                self.add(node);
            }
        }
    }

    /// Returns the name and the value under which the document has a mark.
    pub(super) fn find(&self, kind: &str, value: &Any) -> Option<(Arc<str>, Any)> {
        self.0.get(&(kind.to_owned(), attributes_of(value))).cloned()
    }
}

/// Returns the attributes of a mark as text. Empty for a mark without attributes, of which JSON shows no value.
fn attributes_of(value: &Any) -> String {
    match value {
        Any::Map(entries) if !entries.is_empty() => canonical(&as_json(value)),
        _ => String::new(),
    }
}
