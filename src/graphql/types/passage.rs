//! The passages of a document, with their authors.

use async_graphql::{ID, Object};

use super::{Timestamp, UserType, id::id};
use crate::{
    domain::{DocumentId, Version},
    editing::{AuthoredPassages, Passage},
    store::HistoryEntry,
};

/// A passage of a document.
pub(in crate::graphql) struct PassageType {
    passage: Passage,
    entry: Option<HistoryEntry>,
}

/// A run of text that changes of one history entry inserted, or a node without text: an XML element without content, or an embedded
/// object.
#[Object(name = "Passage")]
impl PassageType {
    /// The name of the root type.
    async fn root(&self) -> &str {
        &self.passage.root
    }

    /// The way from the root type to the text or node: the indexes of children, offsets in texts and keys of maps, with `/` between
    /// them. Empty for the text of the root type itself. Of more than 4096 bytes the end is left out, and `…` stands for it.
    async fn path(&self) -> &str {
        &self.passage.path
    }

    /// The name of the XML element that the text is in or that the node is. Null outside of XML.
    async fn node(&self) -> Option<&str> {
        self.passage.node.as_deref()
    }

    /// The offset in the text, in UTF-16 code units. 0 for a node.
    async fn offset(&self) -> i64 {
        self.passage.offset.into()
    }

    /// The length in UTF-16 code units. 1 for a node.
    async fn length(&self) -> i64 {
        self.passage.length.into()
    }

    /// The text. Null for a node.
    async fn text(&self) -> Option<&str> {
        self.passage.text.as_deref()
    }

    /// The author. Null if the history does not go back to the passage, and if the account of the author was deleted.
    async fn author(&self) -> Option<UserType> {
        self.entry.as_ref().and_then(|entry| entry.author.clone()).map(UserType)
    }

    /// The first version of the history entry that inserted the passage. Null if the history does not go back to it.
    async fn from_version(&self) -> Option<i64> {
        self.entry.as_ref().map(|entry| entry.from.number())
    }

    /// The last version of that entry, or that of the passages if it is earlier.
    async fn to_version(&self) -> Option<i64> {
        self.entry.as_ref().map(|entry| entry.to.number())
    }

    /// The time at which the first change of that entry was stored.
    async fn started_at(&self) -> Option<Timestamp> {
        self.entry.as_ref().map(|entry| Timestamp(entry.started_at))
    }

    /// The time at which its last change was stored, or that of `toVersion`.
    async fn ended_at(&self) -> Option<Timestamp> {
        self.entry.as_ref().map(|entry| Timestamp(entry.ended_at))
    }
}

/// Some passages of a document at a version.
pub(in crate::graphql) struct PassageListType {
    document: DocumentId,
    version: Version,
    nodes: Vec<PassageType>,
    end_cursor: Option<String>,
}

impl PassageListType {
    /// Creates a list. `end_cursor` leads to the next passages, if there are more.
    pub(in crate::graphql) fn new(
        document: DocumentId,
        version: Version,
        passages: AuthoredPassages,
        end_cursor: Option<String>,
    ) -> Self {
        let nodes = passages.passages.into_iter();
        let nodes = nodes.map(|(passage, entry)| PassageType { passage, entry });
        Self { document, version, nodes: nodes.collect(), end_cursor }
    }
}

/// Some passages of a document at a version, in the order of its content.
#[Object(name = "PassageList")]
impl PassageListType {
    /// The id of the document.
    async fn document_id(&self) -> ID {
        id(self.document.uuid())
    }

    /// The version.
    async fn version(&self) -> i64 {
        self.version.number()
    }

    /// The passages, at most 500.
    async fn nodes(&self) -> &[PassageType] {
        &self.nodes
    }

    /// Pass this as `after` to get the passages after these. Null if there are none.
    async fn end_cursor(&self) -> Option<&str> {
        self.end_cursor.as_deref()
    }
}
