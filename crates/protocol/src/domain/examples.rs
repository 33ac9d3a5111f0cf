//! What tests begin with.

use chrono::DateTime;

use super::{Change, ChangeKind, Color, DocumentId, Presence, SessionId, User, UserId, Version};

/// A change of a title, of a document and by nobody in particular.
pub fn renaming(version: i64) -> Change {
    Change {
        document: DocumentId::new(),
        kind: ChangeKind::Renamed,
        version: Version::new(version),
        author: None,
        session: None,
        title: "".into(),
        delta: None,
        update: None,
        content: None,
        at: DateTime::UNIX_EPOCH,
    }
}

/// Somebody new who has a document open.
pub fn somebody_in(document: DocumentId) -> Presence {
    let user = User { id: UserId::new(), name: "Ana".into() };
    Presence {
        document,
        session: SessionId::new(),
        color: Color::of(document, user.id),
        user,
        cursor: None,
        joined_at: DateTime::UNIX_EPOCH,
        last_seen: DateTime::UNIX_EPOCH,
    }
}
