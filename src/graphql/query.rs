//! What can be asked.

use async_graphql::{Context, ID, MergedObject, Object};

use super::{
    ApiError,
    access::{document_id, require},
    caller::{api, caller},
    history::HistoryQueries,
    paging,
    types::{AccountType, DocumentConnection, DocumentEdge, DocumentType, PageInfo, PresenceType},
};
use crate::{
    domain::AccessLevel,
    store::{PageCursor, StoreError},
};

/// What asking the database counts, in fields: few questions fit one operation, however little each selects.
pub(super) const READING: usize = 20;

/// The root of all queries.
#[derive(MergedObject, Default)]
pub struct Query(Queries, HistoryQueries);

/// What can be asked of things as they are.
#[derive(Default)]
pub(super) struct Queries;

#[Object]
impl Queries {
    /// The caller's own account.
    #[graphql(complexity = "READING + child_complexity")]
    async fn me(&self, ctx: &Context<'_>) -> Result<AccountType, ApiError> {
        let user = caller(ctx).user()?;
        let account = api(ctx)?.store.find_account(user.id).await?;
        Ok(AccountType(account.ok_or(StoreError::NoSuchUser)?))
    }

    /// A document; null when there is none or the caller may not open it.
    #[graphql(complexity = "READING + child_complexity")]
    async fn document(&self, ctx: &Context<'_>, id: ID) -> Result<Option<DocumentType>, ApiError> {
        let user = caller(ctx).user()?;
        let found = api(ctx)?.store.find_document(user.id, document_id(&id)?).await?;
        Ok(found.map(|(document, access)| DocumentType {
            document,
            access,
            owner: None,
            content: None,
        }))
    }

    /// Documents that the caller owns or may open, newest change first; at most 100 at a time.
    #[graphql(complexity = "READING + paging::weight(first) * child_complexity")]
    async fn documents(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 20)] first: Option<i32>,
        after: Option<String>,
    ) -> Result<DocumentConnection, ApiError> {
        let user = caller(ctx).user()?;
        let first = paging::length(first)?;
        let after = after.map(|cursor| cursor.parse::<PageCursor>()).transpose()?;
        let store = &api(ctx)?.store;
        let page = store.list_documents(user.id, first, after).await?;
        let look = ctx.look_ahead();
        let owners_wanted = look.field("nodes").field("owner").exists()
            || look.field("edges").field("node").field("owner").exists();
        let owners = if owners_wanted {
            store.load_users(page.documents.iter().map(|(document, _)| document.owner)).await?
        } else {
            Default::default()
        };
        let edges: Vec<_> = page
            .documents
            .into_iter()
            .map(|(document, access)| {
                let cursor = PageCursor::after(&document).to_string();
                let owner = owners.get(&document.owner).cloned();
                DocumentEdge {
                    cursor,
                    node: DocumentType { document, access, owner, content: None },
                }
            })
            .collect();
        let end_cursor = edges.last().map(|edge| edge.cursor.clone());
        let page_info = PageInfo { has_next_page: page.has_next, end_cursor };
        Ok(DocumentConnection { edges, page_info })
    }

    /// Who has the document open, in order of arrival.
    #[graphql(complexity = "READING + child_complexity")]
    async fn document_presence(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
    ) -> Result<Vec<PresenceType>, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::View).await?;
        let present = api(ctx)?.roster.list(admitted.document).await;
        Ok(present.into_iter().map(PresenceType).collect())
    }
}
