//! Cursor moves, which are broadcast and never stored.

use async_graphql::{Context, ID, Object};

use crate::{
    domain::{AccessLevel, Cursor, DocumentId, SessionId},
    graphql::{
        Api, ApiError, Caller,
        access::{document_id, level_of},
        caller::{api, caller},
        complexity::DATABASE_READ,
        types::CursorInput,
    },
};

/// Mutations of cursors.
#[derive(Default)]
pub(super) struct CursorMutations;

#[Object]
impl CursorMutations {
    /// Moves the cursor of a session that has the document open: the session of the socket, or over HTTP the one named
    /// in the header `X-Session-Id`. Other subscribers receive it from `cursorMoved`.
    #[graphql(complexity = "DATABASE_READ")]
    async fn update_cursor(
        &self,
        ctx: &Context<'_>,
        #[graphql(name = "documentId")] id: ID,
        cursor: CursorInput,
    ) -> Result<bool, ApiError> {
        let user = caller(ctx).user()?.id;
        let document = document_id(ctx, &id).await?;
        let cursor = Cursor::try_from(cursor)?;
        match caller(ctx) {
            // A confirmed seat proves access, so this path needs no database.
            Caller::Session(link) if link.move_cursor(document, cursor)? => Ok(true),
            Caller::Session(_) | Caller::Nobody(_) => {
                level_of(ctx, user, document, AccessLevel::View).await?;
                Err(ApiError::NotOpenHere)
            }
            Caller::Request { session, .. } => {
                api(ctx)?.allowances.take_cursor(user, document)?;
                level_of(ctx, user, document, AccessLevel::View).await?;
                let session = session.ok_or(ApiError::NoSessionNamed)?;
                move_session_cursor(api(ctx)?, document, session, cursor).await
            }
        }
    }
}

/// Moves the cursor of a session of the caller, which may be on another node.
///
/// # Errors
/// The session does not have the document open, or sessions on other nodes cannot be looked up.
async fn move_session_cursor(
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
