//! What a session may have in the roster, and how the index of its node names it.

use uuid::Uuid;

use crate::domain::{DocumentId, SessionId, UserId};

/// One entry of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Affair {
    /// It has a document open.
    Presence(DocumentId, SessionId),
    /// It holds one of its user's slots.
    Slot(UserId, SessionId),
}

impl Affair {
    /// As it stands in an index: a letter and two UUIDs.
    pub(super) fn encode(self) -> Vec<u8> {
        let (letter, of, session) = match self {
            Self::Presence(document, session) => (b'p', document.uuid(), session),
            Self::Slot(user, session) => (b's', user.uuid(), session),
        };
        let mut bytes = vec![letter];
        bytes.extend_from_slice(of.as_bytes());
        bytes.extend_from_slice(session.uuid().as_bytes());
        bytes
    }

    /// None if these bytes are no such thing.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (letter, ids) = bytes.split_first()?;
        let (of, session) = ids.split_first_chunk::<16>()?;
        let session = <[u8; 16]>::try_from(session).ok()?;
        let (of, session) = (Uuid::from_bytes(*of), SessionId::from(Uuid::from_bytes(session)));
        match letter {
            b'p' => Some(Self::Presence(of.into(), session)),
            b's' => Some(Self::Slot(of.into(), session)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let session = SessionId::new();
        for affair in
            [Affair::Presence(DocumentId::new(), session), Affair::Slot(UserId::new(), session)]
        {
            assert_eq!(Affair::decode(&affair.encode()), Some(affair));
        }
        for garbage in [&b""[..], b"p", &[b'x'; 33], &[b'p'; 32], &[b'p'; 34]] {
            assert_eq!(Affair::decode(garbage), None);
        }
    }
}
