//! The keys of roster entries, and their form in the index of an incarnation.

use uuid::Uuid;

use crate::domain::{DocumentId, SessionId, UserId};

/// Identifies one entry of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum EntryKey {
    /// The session has the document open.
    Presence(DocumentId, SessionId),
    /// The session holds one of its user's slots.
    Slot(UserId, SessionId),
}

impl EntryKey {
    /// Encodes the key as a letter and two UUIDs: 33 bytes.
    pub(super) fn encode(self) -> Vec<u8> {
        let (letter, owner, session) = match self {
            Self::Presence(document, session) => (b'p', document.uuid(), session),
            Self::Slot(user, session) => (b's', user.uuid(), session),
        };
        let mut bytes = vec![letter];
        bytes.extend_from_slice(owner.as_bytes());
        bytes.extend_from_slice(session.uuid().as_bytes());
        bytes
    }

    /// Decodes a key. Returns `None` for anything that [`encode`](Self::encode) does not produce.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (letter, ids) = bytes.split_first()?;
        let (owner, session) = ids.split_first_chunk::<16>()?;
        let session = <[u8; 16]>::try_from(session).ok()?;
        let (owner, session) =
            (Uuid::from_bytes(*owner), SessionId::from(Uuid::from_bytes(session)));
        match letter {
            b'p' => Some(Self::Presence(owner.into(), session)),
            b's' => Some(Self::Slot(owner.into(), session)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_encoded_keys_are_decoded() {
        let session = SessionId::new();
        for key in
            [EntryKey::Presence(DocumentId::new(), session), EntryKey::Slot(UserId::new(), session)]
        {
            assert_eq!(EntryKey::decode(&key.encode()), Some(key));
        }
        for garbage in [&b""[..], b"p", &[b'x'; 33], &[b'p'; 32], &[b'p'; 34]] {
            assert_eq!(EntryKey::decode(garbage), None);
        }
    }
}
