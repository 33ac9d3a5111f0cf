//! Documents: made, changed, deleted.
//!
//! A change of an existing document goes through its room, which stores one after the other and tells everybody.

use async_graphql::{Context, ID, Object};

use super::WRITING;
use crate::{
    domain::{AccessLevel, InvalidInput, Text, Title, Version},
    graphql::{
        ApiError, Caller,
        access::require,
        caller::{api, caller},
        types::DocumentType,
    },
    room::Order,
    store::{ChangeRequest, StoreError},
};

/// Mutations of documents.
#[derive(Default)]
pub(in crate::graphql) struct DocumentMutations;

#[Object]
impl DocumentMutations {
    /// Makes a document that the caller owns.
    #[graphql(complexity = "WRITING + child_complexity")]
    async fn create_document(
        &self,
        ctx: &Context<'_>,
        title: String,
        #[graphql(default_with = "Some(String::new())")] content: Option<String>,
    ) -> Result<DocumentType, ApiError> {
        let api = api(ctx)?;
        let owner = caller(ctx).user()?;
        take_edit(ctx)?;
        let title = Title::new(&title)?;
        let content = Text::new(content.unwrap_or_default(), api.limits.document)?;
        let document = api.store.create_document(owner.id, title, content).await?;
        Ok(DocumentType { document, access: AccessLevel::Owner, owner: Some(owner.clone()) })
    }

    /// Changes the title, the text, or both. A text is stored whole under the next version. With `baseVersion`,
    /// CONFLICT and the present version (`extensions.head`) when the document is not at that version any more.
    #[graphql(complexity = "WRITING + child_complexity")]
    async fn update_document(
        &self,
        ctx: &Context<'_>,
        id: ID,
        title: Option<String>,
        content: Option<String>,
        base_version: Option<i64>,
    ) -> Result<DocumentType, ApiError> {
        let api = api(ctx)?;
        take_edit(ctx)?;
        let admitted = require(ctx, &id, AccessLevel::Edit).await?;
        if title.is_none() && content.is_none() {
            let message = "There is nothing to change. Give a title, a content, or both.";
            return Err(InvalidInput::new(message).into());
        }
        let request = ChangeRequest {
            document: admitted.document,
            author: admitted.user.id,
            session: caller(ctx).session(),
            title: title.as_deref().map(Title::new).transpose()?,
            content: content.map(|text| Text::new(text, api.limits.document)).transpose()?,
            base_version: base_version.map(base).transpose()?,
        };
        let stored = api.rooms.edit(admitted.document, Order::Change(request)).await?;
        let document = stored.document.ok_or(StoreError::Denied)?;
        Ok(DocumentType { document, access: admitted.level, owner: None })
    }

    /// Deletes a document for everybody. Owner only.
    #[graphql(complexity = "WRITING + child_complexity")]
    async fn delete_document(&self, ctx: &Context<'_>, id: ID) -> Result<bool, ApiError> {
        take_edit(ctx)?;
        let admitted = require(ctx, &id, AccessLevel::Owner).await?;
        let order = Order::Delete {
            document: admitted.document,
            actor: admitted.user.id,
            session: caller(ctx).session(),
        };
        api(ctx)?.rooms.edit(admitted.document, order).await?;
        Ok(true)
    }
}

fn base(version: i64) -> Result<Version, InvalidInput> {
    if version < Version::FIRST.number() {
        let message = format!("`baseVersion` is {version}; versions start at {}.", Version::FIRST);
        return Err(InvalidInput::new(message));
    }
    Ok(Version::new(version))
}

/// Takes one change of the session's allowance; requests are counted as operations of their user.
fn take_edit(ctx: &Context<'_>) -> Result<(), ApiError> {
    match caller(ctx) {
        Caller::Session(link) => Ok(link.take_edit()?),
        Caller::Nobody | Caller::Request { .. } => Ok(()),
    }
}
