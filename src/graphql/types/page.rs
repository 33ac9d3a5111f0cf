//! Lists of documents, page by page (GraphQL Cursor Connections Specification, forwards only).

use async_graphql::{Object, SimpleObject};

use super::DocumentType;

/// Where a page stands in the list.
#[derive(SimpleObject, Clone)]
pub(in crate::graphql) struct PageInfo {
    /// Whether there is more after this page.
    pub(in crate::graphql) has_next_page: bool,
    /// The `after` of the next page; null on an empty one.
    pub(in crate::graphql) end_cursor: Option<String>,
}

/// A document and its place in the list.
pub(in crate::graphql) struct DocumentEdge {
    pub(in crate::graphql) cursor: String,
    pub(in crate::graphql) node: DocumentType,
}

/// A document and its place in the list.
#[Object]
impl DocumentEdge {
    /// The `after` of a page that begins behind this document.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    async fn node(&self) -> &DocumentType {
        &self.node
    }
}

/// One page of documents.
pub(in crate::graphql) struct DocumentConnection {
    pub(in crate::graphql) edges: Vec<DocumentEdge>,
    pub(in crate::graphql) page_info: PageInfo,
}

/// One page of documents. It may hold fewer than were asked for even when there are more: ask for the next page
/// by `pageInfo`, not by counting.
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
