//! Lists of documents, page by page (GraphQL Cursor Connections Specification, forwards only).

use async_graphql::{Enum, Object, SimpleObject};

use super::DocumentType;
use crate::store::{DocumentFilter, DocumentOrder};

/// Which documents a list holds.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "DocumentFilter", remote = "DocumentFilter")]
pub(in crate::graphql) enum DocumentFilterType {
    /// All that the caller owns or has access to.
    All,
    /// Those that the caller owns.
    Owned,
    /// Those of others, to which the caller was granted access.
    Shared,
    /// All but those of `PENDING`.
    Accepted,
    /// Those of others that were granted to the caller, who has not accepted them with `acceptAccess`. They can be opened like all
    /// others.
    Pending,
    /// Those that the caller owns and that were deleted. The caller can bring them back with `undelete` until `purgedAt`.
    Bin,
}

/// The order of a list of documents.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "DocumentOrder", remote = "DocumentOrder")]
pub(in crate::graphql) enum DocumentOrderType {
    /// The most recently changed first. A document that is changed while a client reads the pages moves to the first one, so the
    /// client may not see it.
    Updated,
    /// The most recently created first. Changes move no document: a client that reads all pages sees each document that exists
    /// all the time exactly once.
    Created,
}

/// The position of a page in its list.
#[derive(SimpleObject, Clone)]
pub(in crate::graphql) struct PageInfo {
    /// Whether there are entries after this page.
    has_next_page: bool,
    /// Whether there are entries before this page: true for every page but the first.
    has_previous_page: bool,
    /// The cursor of the first entry of the page. Null if the page is empty.
    start_cursor: Option<String>,
    /// Pass this as `after` to get the next page. Null if there is none and this one is empty.
    end_cursor: Option<String>,
}

impl PageInfo {
    /// Describes a page by the cursors of its entries.
    pub(in crate::graphql) fn new<'a>(
        mut cursors: impl DoubleEndedIterator<Item = &'a str>,
        has_next_page: bool,
        has_previous_page: bool,
    ) -> Self {
        let first = cursors.next();
        let last = cursors.next_back().or(first);
        let [start_cursor, end_cursor] = [first, last].map(|cursor| cursor.map(str::to_owned));
        Self { has_next_page, has_previous_page, start_cursor, end_cursor }
    }

    /// Sets where the next page begins, if that is not after the last entry of this one.
    pub(in crate::graphql) fn ending_at(self, cursor: Option<String>) -> Self {
        Self { end_cursor: cursor.or(self.end_cursor), ..self }
    }
}

/// A document and its page cursor.
pub(in crate::graphql) struct DocumentEdge {
    pub(in crate::graphql) cursor: String,
    pub(in crate::graphql) node: DocumentType,
}

/// A document and its page cursor.
#[Object]
impl DocumentEdge {
    /// Pass this as `after` to get the documents after this one.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    async fn node(&self) -> &DocumentType {
        &self.node
    }
}

/// A page of documents.
pub(in crate::graphql) struct DocumentConnection {
    pub(in crate::graphql) edges: Vec<DocumentEdge>,
    pub(in crate::graphql) page_info: PageInfo,
}

/// A page of documents. It may hold fewer documents than `first` although there are more, so check
/// `pageInfo.hasNextPage` instead of counting.
#[Object]
impl DocumentConnection {
    async fn edges(&self) -> &[DocumentEdge] {
        &self.edges
    }

    async fn nodes(&self) -> Vec<&DocumentType> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }
}
