//! Queries of a document's history: who changed it and when, and its text at a version.

use async_graphql::{Context, ID, Object};

use crate::{
    domain::{AccessLevel, Content, InvalidInput, Version},
    editing::LoadError,
    graphql::{
        ApiError,
        access::{Admitted, require},
        caller::api,
        complexity::{DATABASE_READ, TEXT_REBUILD},
        paging,
        types::{DocumentText, HistoryConnection},
    },
    store::StoreError,
};

/// Queries of the history.
#[derive(Default)]
pub(super) struct HistoryQueries;

#[Object]
impl HistoryQueries {
    /// The history of a document, newest first, as far back as the server keeps it. `first` is 1 to 100; pass the
    /// `endCursor` of a page as `after` to get the next one.
    #[graphql(complexity = "DATABASE_READ + paging::weight(first) * child_complexity")]
    async fn document_history(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        #[graphql(default = 20)] first: Option<i32>,
        after: Option<String>,
    ) -> Result<HistoryConnection, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::View).await?;
        let first = paging::length(first)?;
        let before = after.as_deref().map(page_cursor).transpose()?;
        Ok(api(ctx)?.store.list_history(admitted.document, before, first).await?.into())
    }

    /// The text of a document at a version. A version that does not exist or is no longer kept is `BAD_USER_INPUT`.
    #[graphql(complexity = "TEXT_REBUILD + child_complexity")]
    async fn document_at(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        version: i64,
    ) -> Result<DocumentText, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::View).await?;
        let version = Version::new(version);
        let content = text_at(ctx, &admitted, version).await?;
        Ok(DocumentText::new(admitted.document, version, &content))
    }
}

/// Returns the text of a document at a version.
///
/// # Errors
/// The version does not exist or is no longer kept, the document has been deleted, or the store failed.
pub(in crate::graphql) async fn text_at(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
    version: Version,
) -> Result<Content, ApiError> {
    let api = api(ctx)?;
    let head = api.store.find_head(admitted.document).await?.ok_or(StoreError::Denied)?.version;
    if version < Version::FIRST || version > head {
        return Err(InvalidInput::new(format!(
            "The document has no version {version}. Use a version from 1 to {head}."
        ))
        .into());
    }
    match api.rooms.content_at(admitted.document, version).await {
        Err(LoadError::NotKept) => Err(InvalidInput::new(format!(
            "Version {version} is no longer kept. Query `documentHistory` for the versions that are."
        ))
        .into()),
        content => Ok(content?),
    }
}

fn page_cursor(text: &str) -> Result<Version, InvalidInput> {
    text.parse().map(Version::new).map_err(|_no_number| {
        InvalidInput::new(
            "The page cursor is not valid. Use a cursor that the server returned, or omit `after` for the first page.",
        )
    })
}
