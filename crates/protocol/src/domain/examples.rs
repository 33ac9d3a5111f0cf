//! Sample values for tests.

use chrono::DateTime;

use super::{
    Change, ChangeKind, Color, DocumentId, Presence, SessionId, SignIn, SignInId, TokenIssuer,
    User, UserId, Version,
};

/// Returns a title change at this version, in a new document and without an author.
pub fn title_change(version: i64) -> Change {
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
        previous_at: None,
    }
}

/// Returns the presence of a new session of a new user in this document.
pub fn presence_in(document: DocumentId) -> Presence {
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

/// Returns a new sign-in of this generation, with a token of ours that does not say when it was issued.
pub fn sign_in(generation: i64) -> SignIn {
    SignIn {
        id: SignInId::new(),
        issued_by: TokenIssuer::Ours,
        generation: Some(generation),
        issued_at: None,
        began_at: None,
        expires_at: DateTime::UNIX_EPOCH,
    }
}
