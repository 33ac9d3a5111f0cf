//! Cursors: told to others, never stored.

use async_graphql::{Context, ID, Object};

use crate::{
    domain::{AccessLevel, Cursor, DocumentId, SessionId},
    graphql::{
        Api, ApiError, Caller,
        access::{document_id, level_of},
        caller::{api, caller},
        types::CursorInput,
    },
};

/// Mutations of cursors.
#[derive(Default)]
pub(in crate::graphql) struct CursorMutations;

#[Object]
impl CursorMutations {
    /// Moves the cursor of a session that has the document open: the socket's own, or over HTTP the one named by
    /// X-Session-Id.
    async fn update_cursor(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
        cursor: CursorInput,
    ) -> Result<bool, ApiError> {
        let user = caller(ctx).user()?.id;
        let document = document_id(&id)?;
        let cursor = Cursor::try_from(cursor)?;
        match caller(ctx) {
            // A confirmed seat is proof of access, so this way touches no database.
            Caller::Session(link) if link.move_cursor(document, cursor)? => Ok(true),
            Caller::Session(_) | Caller::Nobody => {
                level_of(ctx, user, document, AccessLevel::View).await?;
                Err(ApiError::NotOpenHere)
            }
            Caller::Request { session, .. } => {
                level_of(ctx, user, document, AccessLevel::View).await?;
                let session = session.ok_or(ApiError::NoSessionNamed)?;
                move_elsewhere(api(ctx)?, document, session, cursor).await
            }
        }
    }
}

/// Moves the cursor of a session that the caller is known to own.
async fn move_elsewhere(
    api: &Api,
    document: DocumentId,
    session: SessionId,
    cursor: Cursor,
) -> Result<bool, ApiError> {
    let present = api.roster.find_presence(document, session).await?;
    if present.is_none() {
        return Err(ApiError::NotOpenHere);
    }
    api.rooms.move_cursor(document, session, cursor);
    Ok(true)
}
