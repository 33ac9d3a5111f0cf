//! How an editor gets its seat: like a subscription, with the level of access read after the seat was reserved.

use super::conversation::EditorParts;
use crate::{
    domain::{AccessLevel, DocumentId, Topic, UserId},
    metrics::AccessOutcome,
    room::{EditorHandle, Guest, RoomError, Ticket},
    store::StoreError,
    wire::CloseReason,
};

/// Takes a seat in the document's room.
///
/// # Errors
/// Why the session has to end: the user may not open the document, or it cannot be told now.
pub(super) async fn enter(
    parts: &EditorParts,
    document: DocumentId,
    guest: &Guest,
) -> Result<(Ticket, EditorHandle), CloseReason> {
    let user = guest.user.id;
    // Without this, anybody could open rooms of documents that are not there, and keep them open.
    level_of(parts, user, document).await?;
    loop {
        let ticket = match Ticket::reserve(&parts.rooms, guest, document, Topic::Document).await {
            Ok(ticket) => ticket,
            Err(error) => return Err(refusal(&error)),
        };
        let level = level_of(parts, user, document).await?;
        ticket.seat().note_level(level);
        match ticket.welcome().await {
            Ok(handle) => return Ok((ticket, handle)),
            Err(RoomError::Closed) => {}
            Err(error) => return Err(refusal(&error)),
        }
    }
}

async fn level_of(
    parts: &EditorParts,
    user: UserId,
    document: DocumentId,
) -> Result<AccessLevel, CloseReason> {
    match parts.store.find_access_level(user, document).await {
        Ok(Some(level)) => {
            parts.metrics.access_checked(AccessOutcome::Allowed);
            Ok(level)
        }
        Ok(None) | Err(StoreError::Denied) => {
            parts.metrics.access_checked(AccessOutcome::Denied);
            parts.metrics.permission_denied();
            Err(CloseReason::Forbidden)
        }
        Err(error) => Err(super::error::store_reason(&error)),
    }
}

fn refusal(error: &RoomError) -> CloseReason {
    match error {
        RoomError::SeatVoided => CloseReason::Forbidden,
        RoomError::Closed | RoomError::SinceInFuture { .. } | RoomError::Unavailable => {
            CloseReason::Unavailable
        }
    }
}
