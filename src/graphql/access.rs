//! The question before everything else: may the caller do this with the document?

use async_graphql::{Context, ID};

use super::{
    ApiError, Caller,
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

/// The caller, if he may order a change of the document that `id` names, as far as can be told without a question to the
/// store: whoever stores the change reads his level again. One whose session has the document open, and was allowed to
/// change it when it was last heard of, is not asked about twice.
///
/// # Errors
/// As [`require`].
pub(super) async fn require_to_order<'a>(
    ctx: &Context<'a>,
    id: &ID,
    needed: AccessLevel,
) -> Result<Admitted<'a>, ApiError> {
    if let Caller::Session(link) = caller(ctx) {
        let document = document_id(id)?;
        if let Some(level) = link.level(document).filter(|level| level.allows(needed)) {
            return Ok(Admitted { user: link.user(), document, level });
        }
    }
    require(ctx, id, needed).await
}

/// The user's level, if it includes `needed`. Counted, and counted again when it is refused.
pub(super) async fn level_of(
    ctx: &Context<'_>,
    user: UserId,
    document: DocumentId,
    needed: AccessLevel,
) -> Result<AccessLevel, ApiError> {
    let api = api(ctx)?;
    let level = api.store.find_access_level(user, document).await?;
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
