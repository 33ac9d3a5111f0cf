//! The users who may open a document by a link, page by page.

use async_graphql::{ID, Object};

use super::{AccessLevelType, PageInfo, Timestamp, UserType, id::id};
use crate::store::{LinkVisitor, VisitorCursor, VisitorPage};

/// A user who may open a document by a link.
pub(in crate::graphql) struct LinkVisitorType(LinkVisitor);

/// A user who may open a document because they have opened a link to it.
#[Object(name = "LinkVisitor")]
impl LinkVisitorType {
    async fn user(&self) -> UserType {
        UserType(self.0.user.clone())
    }

    /// The link that they opened.
    async fn link_id(&self) -> ID {
        id(self.0.link.uuid())
    }

    /// The level that the link gives them.
    async fn level(&self) -> AccessLevelType {
        self.0.level.into()
    }

    /// Whether they are a guest without an account.
    async fn is_guest(&self) -> bool {
        self.0.is_guest
    }

    /// When their access by the link ends by itself, if it does.
    async fn ends_at(&self) -> Option<Timestamp> {
        self.0.ends_at.map(Timestamp)
    }
}

/// A visitor and their page cursor.
pub(in crate::graphql) struct LinkVisitorEdge {
    cursor: String,
    node: LinkVisitorType,
}

/// A visitor and their page cursor.
#[Object]
impl LinkVisitorEdge {
    /// Pass this as `after` to get the visitors after this one.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    async fn node(&self) -> &LinkVisitorType {
        &self.node
    }
}

/// A page of visitors.
pub(in crate::graphql) struct LinkVisitorConnection {
    edges: Vec<LinkVisitorEdge>,
    page_info: PageInfo,
}

impl LinkVisitorConnection {
    /// Returns a page, which is not the first if `has_previous`.
    pub(in crate::graphql) fn new(page: VisitorPage, has_previous: bool) -> Self {
        let edges: Vec<_> = page
            .visitors
            .into_iter()
            .map(|visitor| LinkVisitorEdge {
                cursor: VisitorCursor::after(&visitor).to_string(),
                node: LinkVisitorType(visitor),
            })
            .collect();
        let cursors = edges.iter().map(|edge: &LinkVisitorEdge| edge.cursor.as_str());
        let page_info = PageInfo::new(cursors, page.has_next, has_previous);
        Self { edges, page_info }
    }
}

/// A page of visitors, in the order of their ids. A user who has opened two links is in it twice.
#[Object]
impl LinkVisitorConnection {
    async fn edges(&self) -> &[LinkVisitorEdge] {
        &self.edges
    }

    async fn nodes(&self) -> Vec<&LinkVisitorType> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }
}
