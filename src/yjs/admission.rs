//! Admission of a Yjs editor.

use std::sync::Arc;

use super::{conversation::EditorParts, error::store_reason};
use crate::{
    domain::{AccessLevel, DocumentId, Topic},
    room::{Admission, Confirmation, RoomError, SeatEnded, Subscriber, Subscription},
    store::StoreError,
    wire::CloseReason,
};

/// Takes the editor's seat in the document's room. `on_end` is notified when the room takes it away.
///
/// # Errors
/// Why the session has to end: the user may not view the document, or the room is unavailable.
pub(super) async fn admit(
    parts: &EditorParts,
    document: DocumentId,
    subscriber: &Subscriber,
    on_end: Arc<dyn SeatEnded>,
) -> Result<Subscription, CloseReason> {
    let admission = EditorAdmission { parts, document, subscriber, on_end };
    let topic = (document, Topic::Document);
    let admitted = Subscription::admit(&parts.rooms, subscriber, topic, false, &admission).await;
    admitted.map_err(|EditorRefused(reason)| reason)
}

/// The part of the Yjs protocol in an admission.
struct EditorAdmission<'a> {
    parts: &'a EditorParts,
    document: DocumentId,
    subscriber: &'a Subscriber,
    on_end: Arc<dyn SeatEnded>,
}

/// Why an editor was not admitted.
struct EditorRefused(CloseReason);

impl From<RoomError> for EditorRefused {
    fn from(error: RoomError) -> Self {
        Self(match error {
            RoomError::SeatVoided => CloseReason::Forbidden,
            RoomError::TooManyOpen(_) => CloseReason::DocumentLimit,
            // Editors have no audiences.
            RoomError::TooManyAudiences { .. }
            | RoomError::Closed
            | RoomError::SinceInFuture { .. }
            | RoomError::Unavailable => CloseReason::Unavailable,
        })
    }
}

impl Admission for EditorAdmission<'_> {
    type Error = EditorRefused;

    async fn read_access(&self) -> Result<(AccessLevel, i64), EditorRefused> {
        let user = self.subscriber.user.id;
        let access = self.parts.rooms.read_access(user, self.document, AccessLevel::View).await;
        access.map_err(|error| {
            if matches!(error, StoreError::Denied) {
                self.parts.metrics.permission_denied();
                return EditorRefused(CloseReason::Forbidden);
            }
            EditorRefused(store_reason(&error))
        })
    }

    async fn confirmation(&self) -> Result<Confirmation, EditorRefused> {
        Ok(Confirmation::Editor(Arc::clone(&self.on_end)))
    }
}
