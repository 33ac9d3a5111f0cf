//! Queries of documents: their current state, their list, and the sessions that have one open.

use async_graphql::{Context, ID, Object};

use crate::{
    domain::{AccessLevel, DocumentId, UserId},
    graphql::{
        ApiError,
        access::{document_id, require},
        caller::{api, caller},
        complexity::DATABASE_READ,
        loaders::loaders,
        page_length,
        read_turns::read,
        types::{
            DocumentConnection, DocumentEdge, DocumentExport, DocumentFilterType,
            DocumentOrderType, DocumentType, JsonObject, PageInfo, PresenceType,
        },
    },
    store::{DocumentFilter, DocumentQuery, PageCursor},
};

/// Queries of documents.
#[derive(Default)]
pub(super) struct DocumentQueries;

#[Object]
impl DocumentQueries {
    /// A document. Null if it does not exist or the caller has no access to it.
    #[graphql(complexity = "DATABASE_READ + child_complexity")]
    async fn document(&self, ctx: &Context<'_>, id: ID) -> Result<Option<DocumentType>, ApiError> {
        let user = caller(ctx).user()?;
        let document = document_id(ctx, &id).await?;
        find_document(ctx, user.id, document).await
    }

    /// The documents that the caller owns or has access to, or with `filter` only one of these kinds or those in the caller's bin, the
    /// most recently changed first. `first` is 1 to 100; pass the `endCursor` of a page as `after`, with the same `orderBy`, to get the next one. To
    /// read all pages while others write, order by `CREATED`. With `metadata`, the list holds only documents whose metadata has each of
    /// these members: at most 8, each with a string of at most 200 characters, a number or a boolean. Each page looks for them in 1,000
    /// documents: it may hold fewer than `first`, even none, while `hasNextPage` is true.
    #[graphql(complexity = "DATABASE_READ + page_length::weight(first) * child_complexity")]
    async fn documents(
        &self,
        ctx: &Context<'_>,
        #[graphql(default = 20)] first: Option<i32>,
        after: Option<String>,
        #[graphql(default_with = "DocumentFilterType::All")] filter: DocumentFilterType,
        #[graphql(default_with = "DocumentOrderType::Updated")] order_by: DocumentOrderType,
        metadata: Option<JsonObject>,
    ) -> Result<DocumentConnection, ApiError> {
        let user = caller(ctx).user()?;
        let (first, order) = (page_length::length(first)?, order_by.into());
        let after = after.map(|cursor| PageCursor::parse(&cursor, order)).transpose()?;
        let has_previous = after.is_some();
        let store = &api(ctx)?.store;
        let labels = metadata.map_or(Ok(Vec::new()), |object| object.labels())?;
        let filter = DocumentFilter::from(filter);
        let query = DocumentQuery { filter, order, first, after, labels };
        let page = read(ctx, store.list_documents(user.id, query)).await?;
        // One query for all owners, and none if the operation does not select them.
        let owners = if selects_owner(ctx) {
            let owners = page.documents.iter().map(|(document, _)| document.owner);
            read(ctx, store.load_users(owners)).await?
        } else {
            Default::default()
        };
        let edges: Vec<_> = page
            .documents
            .into_iter()
            .map(|(document, access)| {
                let cursor = PageCursor::after(&document, order).to_string();
                let owner = owners.get(&document.owner).cloned();
                // Nothing changes a document in a bin after its deletion.
                let deleted_at = (filter == DocumentFilter::Bin).then_some(document.updated_at);
                let node = DocumentType::new(document, access);
                DocumentEdge { cursor, node: DocumentType { owner, deleted_at, ..node } }
            })
            .collect();
        let cursors = edges.iter().map(|edge| edge.cursor.as_str());
        let page_info = PageInfo::new(cursors, page.has_next, has_previous);
        let page_info = page_info.ending_at(page.ends_at.map(|cursor| cursor.to_string()));
        Ok(DocumentConnection { edges, page_info })
    }

    /// A whole document at its newest version, for those who take their data elsewhere: as text, as JSON and as a Yjs update. Select
    /// only what you need. Requires `VIEW`.
    #[graphql(complexity = "DATABASE_READ + child_complexity")]
    async fn export_document(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
    ) -> Result<DocumentExport, ApiError> {
        let user = caller(ctx).user()?.id;
        let (rooms, document) = (&api(ctx)?.rooms, document_id(ctx, &id).await?);
        let (document, _) = rooms.read_document(user, document, AccessLevel::View).await?;
        Ok(DocumentExport(document))
    }

    /// The sessions that have the document open, in the order in which they opened it. Requires access to the document.
    #[graphql(complexity = "DATABASE_READ + child_complexity")]
    async fn document_presence(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
    ) -> Result<Vec<PresenceType>, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::View).await?;
        let present = loaders(ctx)?.presence(admitted.document).await?;
        Ok(present.iter().cloned().map(PresenceType).collect())
    }
}

/// Returns a document and the user's access to it. `None` if it does not exist or the user has no access.
///
/// # Errors
/// The store failed, or the application that decides on access did not answer.
pub(super) async fn find_document(
    ctx: &Context<'_>,
    user: UserId,
    document: DocumentId,
) -> Result<Option<DocumentType>, ApiError> {
    let found = api(ctx)?.rooms.find_document(user, document).await?;
    Ok(found.map(|(document, access)| DocumentType::new(document, access)))
}

/// Returns whether the operation selects the owner of the documents in a page.
fn selects_owner(ctx: &Context<'_>) -> bool {
    let page = ctx.look_ahead();
    page.field("nodes").field("owner").exists()
        || page.field("edges").field("node").field("owner").exists()
}
