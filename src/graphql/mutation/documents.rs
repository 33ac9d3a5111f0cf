//! Documents: made, changed, deleted.
//!
//! A change of an existing document goes through its room, which stores one after the other and tells everybody.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::WRITING;
use crate::{
    domain::{AccessLevel, Content, Delta, Document, EditId, InvalidInput, Text, Title, Version},
    editing::{EditKind, EditRequest, StoredEdit},
    graphql::{
        ApiError, Caller,
        access::{Admitted, document_id, require_to_edit},
        caller::{api, caller},
        types::{DeltaOpInput, DocumentType},
    },
    metrics::AccessOutcome,
    store::StoreError,
};

/// So many steps may a delta have: every reader is told of each of them.
const MAX_STEPS: usize = 10_000;

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
        let known = Content::from(content.as_str());
        let document = api.rooms.create(owner.id, title, content).await?;
        Ok(DocumentType {
            document,
            access: AccessLevel::Owner,
            owner: Some(owner.clone()),
            content: Some(known),
        })
    }

    /// Changes the title, the text, or both. `content` is merged as the difference from the text at `baseVersion` (the
    /// current version if left out), so what others typed since then stays. `mutationId` is made by the client;
    /// repeated after a lost answer it gets the same answer and changes nothing.
    #[graphql(complexity = "WRITING + child_complexity")]
    async fn update_document(
        &self,
        ctx: &Context<'_>,
        id: ID,
        title: Option<String>,
        content: Option<String>,
        base_version: Option<i64>,
        mutation_id: Option<ID>,
    ) -> Result<DocumentType, ApiError> {
        let api = api(ctx)?;
        take_edit(ctx)?;
        let (before, admitted) = read_to_update(ctx, &id).await?;
        if title.is_none() && content.is_none() {
            let message = "There is nothing to change. Give a title, a content, or both.";
            return Err(InvalidInput::new(message).into());
        }
        let wish = EditKind::Replace {
            title: title.as_deref().map(Title::new).transpose()?,
            content: content.map(|text| Text::new(text, api.limits.document)).transpose()?,
            base: base_version.map(base).transpose()?,
        };
        let order = order(ctx, &admitted, mutation_id, wish)?;
        // From here on there is nothing left that could fail after the change was stored.
        let StoredEdit { version, title, at, content, .. } = api.rooms.edit(order).await?;
        let document = Document { version, title, updated_at: at, ..before };
        Ok(DocumentType { document, access: admitted.level, owner: None, content })
    }

    /// Applies `delta`, written against `baseVersion`, on top of whatever was accepted since. The answer means: stored.
    /// `mutationId` is made by the client; repeated after a lost answer it gets the same answer and changes nothing.
    #[graphql(complexity = "WRITING + child_complexity")]
    async fn edit_document(
        &self,
        ctx: &Context<'_>,
        document_id: ID,
        base_version: i64,
        delta: Vec<DeltaOpInput>,
        mutation_id: Option<ID>,
    ) -> Result<EditPayload, ApiError> {
        take_edit(ctx)?;
        let admitted = require_to_edit(ctx, &document_id, AccessLevel::Edit).await?;
        if delta.len() > MAX_STEPS {
            let message = format!(
                "The delta has {} steps, and may have {MAX_STEPS}. Send it in several parts, or the whole text with \
                 `updateDocument`.",
                delta.len()
            );
            return Err(InvalidInput::new(message).into());
        }
        let delta = Delta::from_steps(delta.into_iter().map(Into::into))?;
        if delta.inserts(|text| text.contains('\0')) {
            return Err(InvalidInput::new("The delta inserts a NUL character. Remove it.").into());
        }
        let wish = EditKind::Edit { base: base(base_version)?, delta: Arc::new(delta) };
        let order = order(ctx, &admitted, mutation_id, wish)?;
        let stored = api(ctx)?.rooms.edit(order).await?;
        Ok(EditPayload::at(stored.version))
    }

    /// Deletes a document for everybody. Owner only.
    #[graphql(complexity = "WRITING + child_complexity")]
    async fn delete_document(&self, ctx: &Context<'_>, id: ID) -> Result<bool, ApiError> {
        take_edit(ctx)?;
        let admitted = require_to_edit(ctx, &id, AccessLevel::Owner).await?;
        let order = order(ctx, &admitted, None, EditKind::Delete)?;
        api(ctx)?.rooms.edit(order).await?;
        Ok(true)
    }
}

/// The document that `id` names as it is, and the caller, if he may change it.
async fn read_to_update<'a>(
    ctx: &Context<'a>,
    id: &ID,
) -> Result<(Document, Admitted<'a>), ApiError> {
    let api = api(ctx)?;
    let user = caller(ctx).user()?;
    let found = api.store.find_document(user.id, document_id(id)?).await?;
    let found = found.filter(|(_, level)| level.allows(AccessLevel::Edit));
    let outcome = if found.is_some() { AccessOutcome::Allowed } else { AccessOutcome::Denied };
    api.metrics.access_checked(outcome);
    let (document, level) = found.ok_or(StoreError::Denied)?;
    let admitted = Admitted { user, document: document.id, level };
    Ok((document, admitted))
}

/// What came of a change.
#[derive(SimpleObject)]
pub(in crate::graphql) struct EditPayload {
    /// The version that it made; where it changed nothing, the one that there was.
    version: i64,
}

impl EditPayload {
    pub(in crate::graphql) fn at(version: Version) -> Self {
        Self { version: version.number() }
    }
}

/// What the caller wants of a document.
pub(in crate::graphql) fn order(
    ctx: &Context<'_>,
    admitted: &Admitted<'_>,
    mutation_id: Option<ID>,
    wish: EditKind,
) -> Result<EditRequest, ApiError> {
    Ok(EditRequest {
        document: admitted.document,
        author: admitted.user.id,
        session: caller(ctx).session(),
        name: mutation_id.map(|id| EditId::new(&id)).transpose()?,
        kind: wish,
    })
}

/// The version that a change was made for; 0 is the empty text that every document begins with.
fn base(version: i64) -> Result<Version, InvalidInput> {
    if version < 0 {
        let message =
            format!("`baseVersion` is {version}. Use the version that the change was made for.");
        return Err(InvalidInput::new(message));
    }
    Ok(Version::new(version))
}

/// Takes one change of the session's allowance; requests are counted as operations of their user.
pub(in crate::graphql) fn take_edit(ctx: &Context<'_>) -> Result<(), ApiError> {
    match caller(ctx) {
        Caller::Session(link) => Ok(link.take_edit()?),
        Caller::Nobody | Caller::Request { .. } => Ok(()),
    }
}
