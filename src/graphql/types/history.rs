//! The history of a document: runs of changes, page by page, and the text as it was.

use async_graphql::{ID, Object, SimpleObject};
use chrono::{DateTime, Utc};

use super::{PageInfo, UserType, document::CONTENT, id};
use crate::{
    domain::{Content, DocumentId, Version},
    store::{HistoryEntry, HistoryPage},
};

/// A run of changes by one author without a long pause.
pub(in crate::graphql) struct HistoryEntryType(HistoryEntry);

/// A run of changes by one author without a long pause.
#[Object]
impl HistoryEntryType {
    /// The version that its first change made.
    async fn from_version(&self) -> i64 {
        self.0.from.number()
    }

    /// The version that its last change made.
    async fn to_version(&self) -> i64 {
        self.0.to.number()
    }

    /// Who made them; null when the account is gone.
    async fn author(&self) -> Option<UserType> {
        self.0.author.clone().map(UserType)
    }

    /// When its first change was stored.
    async fn started_at(&self) -> DateTime<Utc> {
        self.0.started_at
    }

    /// When its last change was stored.
    async fn ended_at(&self) -> DateTime<Utc> {
        self.0.ended_at
    }
}

/// An entry of the history and its place in it.
pub(in crate::graphql) struct HistoryEdge {
    cursor: String,
    node: HistoryEntryType,
}

/// An entry of the history and its place in it.
#[Object]
impl HistoryEdge {
    /// The `after` of a page that begins behind this entry.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    async fn node(&self) -> &HistoryEntryType {
        &self.node
    }
}

/// One page of a document's history, newest first.
pub(in crate::graphql) struct HistoryConnection {
    edges: Vec<HistoryEdge>,
    page_info: PageInfo,
}

impl From<HistoryPage> for HistoryConnection {
    fn from(page: HistoryPage) -> Self {
        let edges: Vec<_> = page
            .entries
            .into_iter()
            .map(|run| HistoryEdge { cursor: run.from.to_string(), node: HistoryEntryType(run) })
            .collect();
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        Self { edges, page_info: PageInfo { has_next_page: page.has_next, end_cursor } }
    }
}

/// One page of a document's history, newest first.
#[Object]
impl HistoryConnection {
    async fn edges(&self) -> &[HistoryEdge] {
        &self.edges
    }

    async fn nodes(&self) -> Vec<&HistoryEntryType> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }
}

/// The text of a document at one version.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DocumentText {
    /// The document.
    document_id: ID,
    /// The version.
    version: i64,
    /// The text at `version`.
    #[graphql(complexity = "CONTENT")]
    content: String,
}

impl DocumentText {
    pub(in crate::graphql) fn new(
        document: DocumentId,
        version: Version,
        content: &Content,
    ) -> Self {
        Self {
            document_id: id(document.uuid()),
            version: version.number(),
            content: content.to_string(),
        }
    }
}
