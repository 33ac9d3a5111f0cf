//! The numbers of nodes, by which those that JSON shows as equal are found.

use std::sync::Arc;

use protocol::domain::Exhausted;
use yrs::types::Attrs;

use super::{
    digests::Digests,
    hidden_texts::next_texts,
    mark_names::{NO_ATTRIBUTES, has_attributes},
    node::{BodyContent, BodyEntry, BodyNode, BodyNodeKind, BodyPiece},
};
use crate::content_json::mark_kind;

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
    pub(super) fn digest_itself(&mut self, digests: &Digests) -> Result<(), Exhausted> {
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
}
