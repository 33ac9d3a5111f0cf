//! The question before everything else: may the caller do this with the document?

use async_graphql::{Context, ID};

use super::{
    ApiError,
    caller::{api, caller},
};
use crate::{
    domain::{AccessLevel, DocumentId, User, UserId},
    metrics::AccessOutcome,
    store::StoreError,
};

/// A caller who may do what was asked for.
pub(super) struct Admitted<'a> {
    pub(super) user: &'a User,
    pub(super) document: DocumentId,
    pub(super) level: AccessLevel,
}

/// The caller, if he has `needed` on the document that `id` names.
///
/// # Errors
/// Not signed in, no identifier, or [`StoreError::Denied`]; no document and too little access look the same.
pub(super) async fn require<'a>(
    ctx: &Context<'a>,
    id: &ID,
    needed: AccessLevel,
) -> Result<Admitted<'a>, ApiError> {
    let user = caller(ctx).user()?;
    let document = document_id(id)?;
    let level = level_of(ctx, user.id, document, needed).await?;
    Ok(Admitted { user, document, level })
}

/// The user's level, if it includes `needed`. Counted, and counted again when it is refused.
pub(super) async fn level_of(
    ctx: &Context<'_>,
    user: UserId,
    document: DocumentId,
    needed: AccessLevel,
) -> Result<AccessLevel, ApiError> {
    let api = api(ctx)?;
    let level = api.store.access_level(user, document).await?;
    if let Some(level) = level.filter(|level| level.allows(needed)) {
        api.metrics.access_checked(AccessOutcome::Allowed);
        return Ok(level);
    }
    api.metrics.access_checked(AccessOutcome::Denied);
    Err(StoreError::Denied.into())
}

/// The document that `id` names.
///
/// # Errors
/// It is not a UUID.
pub(super) fn document_id(id: &ID) -> Result<DocumentId, ApiError> {
    Ok(id.parse()?)
}
