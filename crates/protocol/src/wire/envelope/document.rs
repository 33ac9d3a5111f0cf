//! What nodes tell each other about a document.

use std::sync::Arc;

use thiserror::Error;

use super::{
    OLDEST_VERSION, Sequence,
    body::{Body, ChangeBody, CursorBody, Named, level_of, number_of, time},
    entry,
};
use crate::domain::{
    AccessLevel, AwarenessUpdate, Change, Color, Cursor, CursorMove, DocumentId, NodeId, Presence,
    SessionId, UserId, Version,
};

/// A change with more bytes than this is not sent: whoever hears that it was stored reads it from the log.
const MAX_CHANGE_BYTES: usize = 64 * 1024;

/// The first bytes of the bodies that say who arrived and left: their places among the variants.
const JOINED: u8 = 3;
const LEFT: u8 = 4;

/// What a node tells the others that have a document open.
#[derive(Debug, Clone, PartialEq)]
pub enum Envelope {
    /// The document is at this version: what is missing is in the log.
    Stored {
        /// The version.
        version: Version,
    },
    /// The document changed. On the way the whole text is left out. Since version 2; a deletion, or a large change, goes
    /// as [`Envelope::Stored`].
    Changed(Arc<Change>),
    /// A cursor moved.
    CursorMoved(Arc<CursorMove>),
    /// Whoever has this session here should move its cursor.
    MoveCursor {
        /// The session.
        session: SessionId,
        /// To where.
        cursor: Cursor,
    },
    /// A session opened the document.
    Joined {
        /// Its entry.
        presence: Presence,
        /// Which of all arrivals and departures this is.
        sequence: Sequence,
    },
    /// A session closed the document.
    Left {
        /// Which.
        session: SessionId,
        /// Which of all arrivals and departures this is.
        sequence: Sequence,
    },
    /// A user's access changed; none means revoked.
    AccessChanged {
        /// The user.
        user: UserId,
        /// What the user may do from now on.
        level: Option<AccessLevel>,
        /// The sender wants to hear when this has been carried out, under this number.
        request: Option<u64>,
    },
    /// Something that was told of the document may not have arrived: what is known should be compared with the store.
    Compare,
    /// A session's Yjs editor says something of itself. Since version 3.
    Said(Arc<AwarenessUpdate>),
    /// Whoever has Yjs editors here should tell again what they say of themselves. Since version 3.
    AskWhoIsHere,
}

/// Why what came on a channel is no envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadEnvelope {
    /// Of a kind that came after this program.
    #[error("an envelope of an unknown version")]
    UnknownVersion,
    /// Nothing that a node sends.
    #[error("no envelope at all")]
    Garbage,
}

/// The version in which changes are told whole.
const WHOLE_CHANGES: u8 = 2;

/// The version in which editors are told of.
const EDITORS: u8 = 3;

impl Envelope {
    /// Whether those who know `version` understand it. What they do not is not sent: they have nothing to do with it.
    #[must_use]
    pub fn is_known_to(&self, version: u8) -> bool {
        match self {
            Self::Said(_) | Self::AskWhoIsHere => version >= EDITORS,
            _ => true,
        }
    }

    /// The bytes for a node that sends it, to others of which the oldest knows `version`. What says when somebody came
    /// or went lacks its sequence: the roster adds it.
    #[must_use]
    pub fn encode(&self, from: NodeId, version: u8) -> Vec<u8> {
        let body = match self {
            Self::Stored { version } => Body::Stored { version: version.number() },
            Self::Changed(change) => match sent_whole(change, version) {
                Some(bytes) => return with_header(from, WHOLE_CHANGES, &bytes),
                None => Body::Stored { version: change.version.number() },
            },
            Self::CursorMoved(moved) => Body::CursorMoved {
                session: moved.session.uuid(),
                user: Named::of(&moved.user),
                cursor: CursorBody::of(moved.cursor),
                at: moved.at.timestamp_micros(),
            },
            Self::Said(saying) => {
                let said = Body::Said {
                    session: saying.session.uuid(),
                    user: saying.user.uuid(),
                    client: saying.client,
                    clock: saying.clock,
                    state: saying.state.as_deref(),
                };
                return with_header(from, EDITORS, &bytes_of(&said));
            }
            Self::AskWhoIsHere => {
                return with_header(from, EDITORS, &bytes_of(&Body::AskWhoIsHere));
            }
            Self::MoveCursor { session, cursor } => {
                Body::MoveCursor { session: session.uuid(), cursor: CursorBody::of(*cursor) }
            }
            Self::Joined { presence, .. } => Body::Joined { present: entry::present(presence) },
            Self::Left { session, .. } => Body::Left { session: session.uuid() },
            Self::AccessChanged { user, level, request } => Body::AccessChanged {
                user: user.uuid(),
                level: level.map(number_of),
                request: *request,
            },
            Self::Compare => Body::Compare,
        };
        with_header(from, OLDEST_VERSION, &bytes_of(&body))
    }

    /// Who sent these bytes, to one who knows `version`; and whether they may concern the sender himself, as arrivals and
    /// departures do. Far less work than reading all of it.
    ///
    /// # Errors
    /// [`BadEnvelope`].
    pub fn sender(bytes: &[u8], version: u8) -> Result<(NodeId, bool), BadEnvelope> {
        let (from, body) = header(bytes, version)?;
        Ok((from, matches!(body.first(), Some(&(JOINED | LEFT)))))
    }

    /// Who sent these bytes on the channel of `document`, and what they say to one who knows `version`.
    ///
    /// # Errors
    /// [`BadEnvelope`].
    pub fn decode(
        bytes: &[u8],
        document: DocumentId,
        version: u8,
    ) -> Result<(NodeId, Self), BadEnvelope> {
        let (from, rest) = header(bytes, version)?;
        let (body, rest) =
            postcard::take_from_bytes::<Body<'_>>(rest).map_err(|_error| BadEnvelope::Garbage)?;
        let envelope = read(body, rest, document).ok_or(BadEnvelope::Garbage)?;
        Ok((from, envelope))
    }
}

fn read(body: Body<'_>, rest: &[u8], document: DocumentId) -> Option<Envelope> {
    Some(match body {
        Body::Stored { version } => Envelope::Stored { version: Version::new(version) },
        Body::Changed { change } => Envelope::Changed(Arc::new(change.change(document)?)),
        Body::CursorMoved { session, user, cursor, at } => {
            let user = user.user();
            Envelope::CursorMoved(Arc::new(CursorMove {
                document,
                session: session.into(),
                color: Color::of(document, user.id),
                user,
                cursor: cursor.cursor()?,
                at: time(at)?,
            }))
        }
        Body::Said { session, user, client, clock, state } => {
            Envelope::Said(Arc::new(AwarenessUpdate {
                session: session.into(),
                user: user.into(),
                client,
                clock,
                state: state.map(Into::into),
            }))
        }
        Body::AskWhoIsHere => Envelope::AskWhoIsHere,
        Body::MoveCursor { session, cursor } => {
            Envelope::MoveCursor { session: session.into(), cursor: cursor.cursor()? }
        }
        Body::Joined { present } => Envelope::Joined {
            presence: entry::presence(&present, document)?,
            sequence: Sequence::from_bytes(rest)?,
        },
        Body::Left { session } => {
            Envelope::Left { session: session.into(), sequence: Sequence::from_bytes(rest)? }
        }
        Body::AccessChanged { user, level, request } => Envelope::AccessChanged {
            user: user.into(),
            level: match level {
                Some(number) => Some(level_of(number)?),
                None => None,
            },
            request,
        },
        Body::Compare => Envelope::Compare,
    })
}

/// The bytes of a change, if they may be sent at all.
fn sent_whole(change: &Change, version: u8) -> Option<Vec<u8>> {
    if version < WHOLE_CHANGES || change.weight() > 2 * MAX_CHANGE_BYTES {
        return None;
    }
    let bytes = bytes_of(&Body::Changed { change: ChangeBody::of(change)? });
    (bytes.len() <= MAX_CHANGE_BYTES).then_some(bytes)
}

pub(super) fn bytes_of(body: &impl serde::Serialize) -> Vec<u8> {
    // Into memory, of types that have no maps and no lengths that are not known: there is nothing that could fail.
    postcard::to_stdvec(body).unwrap_or_default()
}

pub(super) fn with_header(from: NodeId, version: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17 + body.len() + Sequence::BYTES);
    bytes.push(version);
    bytes.extend_from_slice(from.uuid().as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Who sent it, and what comes after the header.
pub(super) fn header(bytes: &[u8], known: u8) -> Result<(NodeId, &[u8]), BadEnvelope> {
    let (version, rest) = bytes.split_first().ok_or(BadEnvelope::Garbage)?;
    if *version > known {
        return Err(BadEnvelope::UnknownVersion);
    }
    if *version < OLDEST_VERSION {
        return Err(BadEnvelope::Garbage);
    }
    let (node, rest) = rest.split_first_chunk::<16>().ok_or(BadEnvelope::Garbage)?;
    Ok((NodeId::from(uuid::Uuid::from_bytes(*node)), rest))
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
