//! Checks of the caller's access to a document.

use async_graphql::{Context, ID};
use tracing::{Span, field};

use super::{
    ApiError, Caller,
    caller::{api, caller},
};
use crate::domain::{AccessLevel, DocumentId, User, UserId};

/// A caller with the access that an operation needs.
pub(super) struct Admitted<'a> {
    pub(super) user: &'a User,
    pub(super) document: DocumentId,
    pub(super) level: AccessLevel,
}

/// Returns the caller if they have `needed` on the document with this id.
///
/// # Errors
/// The caller is not signed in, the id is malformed, or [`crate::store::StoreError::Denied`]: a missing document and too
/// low a level look the same.
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

/// Returns the caller if they may edit the document with this id. The level that the session's seat knows is enough, since
/// the commit reads it again; without one it is read from the store.
///
/// # Errors
/// As [`require`].
pub(super) async fn require_to_edit<'a>(
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

/// Reads the user's access level.
///
/// # Errors
/// [`crate::store::StoreError::Denied`] if it does not include `needed`.
pub(super) async fn level_of(
    ctx: &Context<'_>,
    user: UserId,
    document: DocumentId,
    needed: AccessLevel,
) -> Result<AccessLevel, ApiError> {
    Ok(api(ctx)?.rooms.read_level(user, document, needed).await?)
}

/// Parses the id of a document, and records it in the span of the request.
///
/// # Errors
/// The id is not a UUID.
pub(super) fn document_id(id: &ID) -> Result<DocumentId, ApiError> {
    let document: DocumentId = id.parse()?;
    Span::current().record("document.id", field::display(document));
    Ok(document)
}
