//! Queries of the links to a document, and of their visitors.

use async_graphql::{Context, ID, Object};

use crate::{
    domain::AccessLevel,
    graphql::{
        ApiError,
        access::require,
        caller::api,
        complexity::DATABASE_READ,
        page_length,
        read_turns::read,
        types::{LinkType, LinkVisitorConnection},
    },
    store::VisitorCursor,
};

/// Queries of links.
#[derive(Default)]
pub(super) struct LinkQueries;

#[Object]
impl LinkQueries {
    /// The invitations and links to a document that can be used, oldest first, at most 100. Requires `OWNER`.
    #[graphql(complexity = "DATABASE_READ + 10 * child_complexity")]
    async fn document_links(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
    ) -> Result<Vec<LinkType>, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::Owner).await?;
        let links = read(ctx, api(ctx)?.store.list_links(admitted.document)).await?;
        Ok(links.into_iter().map(LinkType).collect())
    }

    /// The users who may open a document because they have opened a link to it, guests included. `first` is 1 to 100; pass the
    /// `endCursor` of a page as `after` to get the next one. Requires `OWNER`.
    #[graphql(complexity = "DATABASE_READ + page_length::weight(first) * child_complexity")]
    async fn link_visitors(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        #[graphql(default = 20)] first: Option<i32>,
        after: Option<String>,
    ) -> Result<LinkVisitorConnection, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::Owner).await?;
        let first = page_length::length(first)?;
        let after = after.as_deref().map(VisitorCursor::parse).transpose()?;
        let list = api(ctx)?.store.list_link_visitors(admitted.document, after, first);
        Ok(LinkVisitorConnection::new(read(ctx, list).await?, after.is_some()))
    }
}
