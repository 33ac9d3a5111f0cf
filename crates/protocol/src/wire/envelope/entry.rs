//! A session's presence entry, as stored in the shared roster.

use uuid::Uuid;

use super::{
    BadEnvelope, OLDEST_VERSION,
    body::{CursorBody, PresenceBody, UserBody, time},
    document::encode_body,
};
use crate::domain::{Color, DocumentId, Presence};

/// Identifies a period in which a node kept its lease. A node starts a new incarnation after its lease has expired.
pub type Incarnation = Uuid;

/// An entry of the roster: the session's presence, and the incarnation of the node that wrote it.
///
/// Encoded as the 16 bytes of the incarnation, a version byte, and the presence in postcard.
#[derive(Debug, Clone, PartialEq)]
pub struct PresenceEntry {
    /// The incarnation of the node that wrote the entry.
    pub incarnation: Incarnation,
    /// The session's presence.
    pub presence: Presence,
}

impl PresenceEntry {
    /// Encodes the entry.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.incarnation.as_bytes().to_vec();
        bytes.push(OLDEST_VERSION);
        bytes.extend(encode_body(&presence_body(&self.presence)));
        bytes
    }

    /// Decodes an entry in the roster of `document`.
    ///
    /// # Errors
    /// [`BadEnvelope`] if the bytes are no entry or its version is unknown.
    pub fn decode(bytes: &[u8], document: DocumentId) -> Result<Self, BadEnvelope> {
        let (incarnation, rest) = bytes.split_first_chunk::<16>().ok_or(BadEnvelope::Garbage)?;
        let (version, rest) = rest.split_first().ok_or(BadEnvelope::Garbage)?;
        if *version != OLDEST_VERSION {
            return Err(BadEnvelope::UnknownVersion);
        }
        let body = postcard::from_bytes::<PresenceBody<'_>>(rest);
        let body = body.map_err(|_error| BadEnvelope::Garbage)?;
        let presence = presence(&body, document).ok_or(BadEnvelope::Garbage)?;
        Ok(Self { incarnation: Uuid::from_bytes(*incarnation), presence })
    }
}

/// Returns the body of a presence. It omits the document, which the channel or key names, and the colour, which follows
/// from document and user.
pub(super) fn presence_body(presence: &Presence) -> PresenceBody<'_> {
    PresenceBody {
        session: presence.session.uuid(),
        user: UserBody::of(&presence.user),
        cursor: presence.cursor.map(CursorBody::of),
        joined_at: presence.joined_at.timestamp_micros(),
        last_seen: presence.last_seen.timestamp_micros(),
    }
}

/// Returns the presence of a body. `None` if a number is out of range.
pub(super) fn presence(body: &PresenceBody<'_>, document: DocumentId) -> Option<Presence> {
    let user = body.user.user();
    let cursor = match body.cursor {
        Some(cursor) => Some(cursor.cursor()?),
        None => None,
    };
    Some(Presence {
        document,
        session: body.session.into(),
        color: Color::of(document, user.id),
        user,
        cursor,
        joined_at: time(body.joined_at)?,
        last_seen: time(body.last_seen)?,
    })
}
