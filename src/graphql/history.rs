//! What a document was: who changed it when, its text then, and bringing that back.

use async_graphql::{Context, ID, Object};

use super::{
    ApiError,
    access::{Admitted, require},
    caller::api,
    mutation::{EditPayload, WRITING, order, take_edit},
    paging,
    query::READING,
    types::{DocumentText, HistoryConnection},
};
use crate::{
    domain::{AccessLevel, Content, InvalidInput, Text, Version},
    editing::{EditError, EditKind, LoadError},
    store::StoreError,
};

/// Reading a text of long ago may mean putting together many changes.
const REBUILDING: usize = 50;

/// What can be asked of the history.
#[derive(Default)]
pub(super) struct HistoryQueries;

#[Object]
impl HistoryQueries {
    /// The changes of a document in runs by one author without a long pause, newest first; at most 100 at a time. What
    /// the server no longer keeps is not there.
    #[graphql(complexity = "READING + paging::weight(first) * child_complexity")]
    async fn document_history(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        #[graphql(default = 20)] first: Option<i32>,
        after: Option<String>,
    ) -> Result<HistoryConnection, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::View).await?;
        let first = paging::length(first)?;
        let before = after.as_deref().map(cursor).transpose()?;
        Ok(api(ctx)?.store.list_history(admitted.document, before, first).await?.into())
    }

    /// The text of a document at a version.
    #[graphql(complexity = "REBUILDING + child_complexity")]
    async fn document_at(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        version: i64,
    ) -> Result<DocumentText, ApiError> {
        let admitted = require(ctx, &document_id, AccessLevel::View).await?;
        let version = Version::new(version);
        let content = content_at(ctx, &admitted, version).await?;
        Ok(DocumentText::new(admitted.document, version, &content))
    }
}

/// What can be done with the history.
#[derive(Default)]
pub(super) struct HistoryMutations;

#[Object]
impl HistoryMutations {
    /// A new change that brings the text at `version` back; history keeps everything.
    #[graphql(complexity = "REBUILDING + WRITING + child_complexity")]
    async fn restore_document(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        version: i64,
    ) -> Result<EditPayload, ApiError> {
        take_edit(ctx)?;
        let admitted = require(ctx, &document_id, AccessLevel::Edit).await?;
        let api = api(ctx)?;
        let content = content_at(ctx, &admitted, Version::new(version)).await?;
        if content.bytes() > api.limits.document {
            let (size, limit) = (content.bytes(), api.limits.document);
            return Err(EditError::TooLarge { size, limit }.into());
        }
        let text = Some(Text::stored(content.to_string()));
        let wish = EditKind::Replace { title: None, content: text, base: None };
        let stored = api.rooms.edit(order(ctx, &admitted, None, wish)?).await?;
        Ok(EditPayload::at(stored.version))
    }
}

/// The text at a version, which has to be one that there was and that is kept.
async fn content_at(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
    version: Version,
) -> Result<Content, ApiError> {
    let api = api(ctx)?;
    let head = api.store.find_head(admitted.document).await?.ok_or(StoreError::Denied)?.version;
    if version < Version::FIRST || version > head {
        let message = format!("There is no version {version}: the document has 1 to {head}.");
        return Err(InvalidInput::new(message).into());
    }
    match api.rooms.content_at(admitted.document, version).await {
        Err(LoadError::NotKept) => {
            let message = format!(
                "Version {version} is no longer kept. Ask `documentHistory` which versions are."
            );
            Err(InvalidInput::new(message).into())
        }
        content => Ok(content?),
    }
}

fn cursor(text: &str) -> Result<Version, InvalidInput> {
    text.parse().map(Version::new).map_err(|_no_number| {
        InvalidInput::new(
            "The page cursor is not valid. Use a cursor as the server gave it, or none for the first page.",
        )
    })
}
