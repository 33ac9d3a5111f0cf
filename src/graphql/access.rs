//! Checks of the caller's access to a document.

use async_graphql::{Context, ID};
use tracing::{Span, field};

use super::{
    ApiError, Caller,
    caller::{api, caller},
};
use crate::domain::{AccessLevel, DocumentId, DocumentName, User, UserId};

/// A caller with the access that an operation needs.
pub(super) struct Admitted<'a> {
    pub(super) user: &'a User,
    pub(super) document: DocumentId,
    pub(super) level: AccessLevel,
}

/// Returns the caller if they have `needed` on the document with this id or key.
///
/// # Errors
/// The caller is not signed in, the id is malformed, the store failed, or [`crate::store::StoreError::Denied`]: a missing document and too
/// low a level look the same.
pub(super) async fn require<'a>(
    ctx: &Context<'a>,
    id: &ID,
    needed: AccessLevel,
) -> Result<Admitted<'a>, ApiError> {
    let user = caller(ctx).user()?;
    let document = document_id(ctx, id).await?;
    let level = level_of(ctx, user.id, document, needed).await?;
    Ok(Admitted { user, document, level })
}

/// Returns the caller if they may edit the document with this id or key. The level that the session's seat knows is enough, since
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
        let document = document_id(ctx, id).await?;
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

/// Returns the document that a client names by its id or its key, and records it in the span of the request. An id is not looked
/// up; an unknown key becomes [`DocumentId::NONE`], which is treated like an unknown id.
///
/// # Errors
/// The text is neither an id nor a key, or the store failed.
pub(super) async fn document_id(ctx: &Context<'_>, id: &ID) -> Result<DocumentId, ApiError> {
    let document = match id.parse::<DocumentName>()? {
        DocumentName::Id(document) => document,
        key @ DocumentName::Key(_) => api(ctx)?.store.resolve(&key, caller(ctx).party()).await?,
    };
    Span::current().record("document.id", field::display(document));
    Ok(document)
}

/// Returns the document that a client names by its id, and records it in the span of the request. `None` if the text is not an id.
pub(super) fn written_id(id: &ID) -> Option<DocumentId> {
    let document: DocumentId = id.parse().ok()?;
    Span::current().record("document.id", field::display(document));
    Some(document)
}
