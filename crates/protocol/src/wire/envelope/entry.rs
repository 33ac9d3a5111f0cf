//! A session's entry in the roster of a document: which incarnation of which node wrote it, then whose it is.

use uuid::Uuid;

use super::{
    BadEnvelope, OLDEST_VERSION,
    body::{CursorBody, Named, Present, time},
    document::bytes_of,
};
use crate::domain::{Color, DocumentId, Presence};

/// A stretch of a node's life during which its lease was kept up: another one after each time that it ran out.
pub type Incarnation = Uuid;

/// An entry as it is stored: 16 bytes of incarnation, a version, then the session in the postcard format.
#[derive(Debug, Clone, PartialEq)]
pub struct PresenceEntry {
    /// Who wrote it.
    pub incarnation: Incarnation,
    /// Who has the document open.
    pub presence: Presence,
}

impl PresenceEntry {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.incarnation.as_bytes().to_vec();
        bytes.push(OLDEST_VERSION);
        bytes.extend(bytes_of(&present(&self.presence)));
        bytes
    }

    /// The entry in the roster of `document` that these bytes are.
    ///
    /// # Errors
    /// [`BadEnvelope`].
    pub fn decode(bytes: &[u8], document: DocumentId) -> Result<Self, BadEnvelope> {
        let (incarnation, rest) = bytes.split_first_chunk::<16>().ok_or(BadEnvelope::Garbage)?;
        let (version, rest) = rest.split_first().ok_or(BadEnvelope::Garbage)?;
        if *version != OLDEST_VERSION {
            return Err(BadEnvelope::UnknownVersion);
        }
        let present = postcard::from_bytes::<Present<'_>>(rest);
        let present = present.map_err(|_error| BadEnvelope::Garbage)?;
        let presence = presence(&present, document).ok_or(BadEnvelope::Garbage)?;
        Ok(Self { incarnation: Uuid::from_bytes(*incarnation), presence })
    }
}

/// A presence as it is written. The document is known from where it stands, the colour follows from both.
pub(super) fn present(presence: &Presence) -> Present<'_> {
    Present {
        session: presence.session.uuid(),
        user: Named::of(&presence.user),
        cursor: presence.cursor.map(CursorBody::of),
        joined_at: presence.joined_at.timestamp_micros(),
        last_seen: presence.last_seen.timestamp_micros(),
    }
}

pub(super) fn presence(present: &Present<'_>, document: DocumentId) -> Option<Presence> {
    let user = present.user.user();
    let cursor = match present.cursor {
        Some(place) => Some(place.cursor()?),
        None => None,
    };
    Some(Presence {
        document,
        session: present.session.into(),
        color: Color::of(document, user.id),
        user,
        cursor,
        joined_at: time(present.joined_at)?,
        last_seen: time(present.last_seen)?,
    })
}
