//! Envelopes on the channel of a document.

use std::sync::Arc;

use thiserror::Error;

use super::{
    OLDEST_VERSION, SIGNED_SINCE, Sequence,
    body::{Body, ChangeBody, CursorBody, UserBody, level_of, number_of, time},
    entry,
};
use crate::domain::{
    AccessChange, AwarenessUpdate, Change, Color, Cursor, CursorMove, DocumentId, NodeId, Presence,
    SessionId, UserId, Version,
};

/// The maximum size of an encoded change. Of a larger one only the version is sent, and receivers read it from the
/// change log.
const MAX_CHANGE_BYTES: usize = 64 * 1024;

/// The first byte of these kinds when they are encoded, which is their index among the variants of [`Body`].
const JOINED: u8 = 3;
const LEFT: u8 = 4;
const ACCESS_CHANGED: u8 = 5;
const ACCESS_CHANGED_AT: u8 = 11;

/// A message to the nodes that have a document open.
#[derive(Debug, Clone, PartialEq)]
pub enum Envelope {
    /// The document has reached this version. Receivers read missing changes from the change log.
    Stored {
        /// The version.
        version: Version,
    },
    /// The document changed. The whole text is not sent. Since version 2, and since version 4 with the time of the version
    /// before it, if that is known. Deletions, large changes and those with
    /// formats or embedded objects are sent as [`Envelope::Stored`].
    Changed(Arc<Change>),
    /// A cursor moved.
    CursorMoved(Arc<CursorMove>),
    /// The node of this session should move its cursor.
    MoveCursor {
        /// The session.
        session: SessionId,
        /// The new cursor.
        cursor: Cursor,
    },
    /// A session opened the document.
    Joined {
        /// The session's presence.
        presence: Presence,
        /// The position of this event among all joins and leaves.
        sequence: Sequence,
    },
    /// A session closed the document.
    Left {
        /// The session.
        session: SessionId,
        /// The position of this event among all joins and leaves.
        sequence: Sequence,
    },
    /// The access of a user changed. Since version 4 with the access version, if that is known.
    AccessChanged {
        /// The user.
        user: UserId,
        /// The new access.
        access: AccessChange,
        /// The id under which the sender expects a [`Signal::Done`](super::Signal::Done) when this is carried out.
        request: Option<u64>,
    },
    /// Envelopes may have been lost. Receivers compare their state with the store.
    Compare,
    /// The awareness of a session's Yjs editor changed. Since version 3.
    AwarenessUpdated(Arc<AwarenessUpdate>),
    /// Receivers should publish the cursors of their sessions and the awareness of their Yjs editors. Since version 3; earlier
    /// nodes publish awareness only.
    QueryMoves,
    /// A page says something to everyone else who has the document open over Hocuspocus. Since version 6.
    Stateless {
        /// The session of the page.
        session: SessionId,
        /// What it says.
        payload: Arc<str>,
    },
}

/// The reason why received bytes cannot be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BadEnvelope {
    /// A kind of envelope that a newer version introduced.
    #[error("the envelope has an unknown version")]
    UnknownVersion,
    /// Its tag is not that of the nodes' secret, this channel and these bytes.
    #[error("the envelope was not signed with the secret of this node, or was changed")]
    BadSignature,
    /// Not an envelope.
    #[error("the bytes are not an envelope")]
    Garbage,
}

/// The version that introduced `Changed`.
const CHANGES_SINCE: u8 = 2;

/// The version that introduced `ChangedAfter` and `AccessChangedAt`.
const PREVIOUS_SINCE: u8 = 4;

/// The version that introduced `AwarenessUpdated` and `QueryMoves`.
const AWARENESS_SINCE: u8 = 3;

/// The version that introduced `Stateless`.
const STATELESS_SINCE: u8 = 6;

impl Envelope {
    /// Returns whether nodes that know `version` understand this kind. Others are not sent.
    #[must_use]
    pub fn is_known_to(&self, version: u8) -> bool {
        match self {
            Self::AwarenessUpdated(_) | Self::QueryMoves => version >= AWARENESS_SINCE,
            Self::Stateless { .. } => version >= STATELESS_SINCE,
            _ => true,
        }
    }

    /// Encodes the envelope as sent by `from` to nodes of which the oldest knows `version`. Of `Joined` and `Left` omits
    /// the sequence, which the roster appends.
    #[must_use]
    pub fn encode(&self, from: NodeId, version: u8) -> Vec<u8> {
        let body = match self {
            Self::Stored { version } => Body::Stored { version: version.number() },
            Self::Changed(change) => match encode_change(change, version) {
                Some((since, bytes)) => return with_header(from, since, &bytes),
                None => Body::Stored { version: change.version.number() },
            },
            Self::CursorMoved(moved) => Body::CursorMoved {
                session: moved.session.uuid(),
                user: UserBody::of(&moved.user),
                cursor: CursorBody::of(moved.cursor),
                at: moved.at.timestamp_micros(),
            },
            Self::AwarenessUpdated(update) => {
                let body = Body::AwarenessUpdated {
                    session: update.session.uuid(),
                    user: update.user.uuid(),
                    client: update.client,
                    clock: update.clock,
                    state: update.state.as_deref(),
                };
                return with_header(from, AWARENESS_SINCE, &encode_body(&body));
            }
            Self::QueryMoves => {
                return with_header(from, AWARENESS_SINCE, &encode_body(&Body::QueryAwareness));
            }
            Self::Stateless { session, payload } => {
                let body = Body::Stateless { session: session.uuid(), payload };
                return with_header(from, STATELESS_SINCE, &encode_body(&body));
            }
            Self::MoveCursor { session, cursor } => {
                Body::MoveCursor { session: session.uuid(), cursor: CursorBody::of(*cursor) }
            }
            Self::Joined { presence, .. } => {
                Body::Joined { presence: entry::presence_body(presence) }
            }
            Self::Left { session, .. } => Body::Left { session: session.uuid() },
            Self::AccessChanged {
                user,
                access: AccessChange { level, access_version },
                request,
            } => {
                let (user, level, request) = (user.uuid(), level.map(number_of), *request);
                match access_version.filter(|_| version >= PREVIOUS_SINCE) {
                    Some(access_version) => {
                        let body = Body::AccessChangedAt { user, level, request, access_version };
                        return with_header(from, PREVIOUS_SINCE, &encode_body(&body));
                    }
                    None => Body::AccessChanged { user, level, request },
                }
            }
            Self::Compare => Body::Compare,
        };
        with_header(from, OLDEST_VERSION, &encode_body(&body))
    }

    /// Decodes only the sender, and whether the envelope is for the sender, too, as `Joined`, `Left` and `AccessChanged`
    /// are. Much faster than [`Envelope::decode`].
    ///
    /// # Errors
    /// [`BadEnvelope`] if there is no valid header of at most `version`.
    pub fn sender(bytes: &[u8], version: u8) -> Result<(NodeId, bool), BadEnvelope> {
        let (from, body) = split_header(bytes, version)?;
        Ok((
            from,
            matches!(body.first(), Some(&(JOINED | LEFT | ACCESS_CHANGED | ACCESS_CHANGED_AT))),
        ))
    }

    /// Decodes the sender and the envelope from the channel of `document`, for a reader that knows `version`.
    ///
    /// # Errors
    /// [`BadEnvelope`] if the bytes are no envelope or its version is unknown.
    pub fn decode(
        bytes: &[u8],
        document: DocumentId,
        version: u8,
    ) -> Result<(NodeId, Self), BadEnvelope> {
        let (from, rest) = split_header(bytes, version)?;
        let (body, rest) =
            postcard::take_from_bytes::<Body<'_>>(rest).map_err(|_error| BadEnvelope::Garbage)?;
        let envelope = envelope_of(body, rest, document).ok_or(BadEnvelope::Garbage)?;
        Ok((from, envelope))
    }
}

/// Returns the envelope of a body. `rest` is the sequence of `Joined` and `Left`.
fn envelope_of(body: Body<'_>, rest: &[u8], document: DocumentId) -> Option<Envelope> {
    Some(match body {
        Body::Stored { version } => Envelope::Stored { version: Version::new(version) },
        Body::Changed { change } => Envelope::Changed(Arc::new(change.change(document)?)),
        Body::ChangedAfter { change, previous_at } => {
            let change = change.change(document)?;
            let previous_at = Some(time(previous_at)?);
            Envelope::Changed(Arc::new(Change { previous_at, ..change }))
        }
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
        Body::AwarenessUpdated { session, user, client, clock, state } => {
            Envelope::AwarenessUpdated(Arc::new(AwarenessUpdate {
                session: session.into(),
                user: user.into(),
                client,
                clock,
                state: state.map(Into::into),
            }))
        }
        Body::QueryAwareness => Envelope::QueryMoves,
        Body::MoveCursor { session, cursor } => {
            Envelope::MoveCursor { session: session.into(), cursor: cursor.cursor()? }
        }
        Body::Joined { presence } => Envelope::Joined {
            presence: entry::presence(&presence, document)?,
            sequence: Sequence::from_bytes(rest)?,
        },
        Body::Left { session } => {
            Envelope::Left { session: session.into(), sequence: Sequence::from_bytes(rest)? }
        }
        Body::AccessChanged { user, level, request } => {
            access_changed((user.into(), level), None, request)?
        }
        Body::AccessChangedAt { user, level, request, access_version } => {
            access_changed((user.into(), level), Some(access_version), request)?
        }
        Body::Compare => Envelope::Compare,
        Body::Stateless { session, payload } => {
            Envelope::Stateless { session: session.into(), payload: payload.into() }
        }
    })
}

/// Returns `AccessChanged`. `None` if the number of the level is unknown.
fn access_changed(
    (user, level): (UserId, Option<u8>),
    access_version: Option<i64>,
    request: Option<u64>,
) -> Option<Envelope> {
    let level = match level {
        Some(number) => Some(level_of(number)?),
        None => None,
    };
    Some(Envelope::AccessChanged { user, access: AccessChange { level, access_version }, request })
}

/// Encodes a change. Returns the version that introduced its kind as well. `None` if only its version may be sent.
fn encode_change(change: &Change, version: u8) -> Option<(u8, Vec<u8>)> {
    if version < CHANGES_SINCE || change.weight() > 2 * MAX_CHANGE_BYTES {
        return None;
    }
    let body = ChangeBody::of(change)?;
    let (since, body) = match change.previous_at.filter(|_| version >= PREVIOUS_SINCE) {
        Some(at) => {
            let previous_at = at.timestamp_micros();
            (PREVIOUS_SINCE, Body::ChangedAfter { change: body, previous_at })
        }
        None => (CHANGES_SINCE, Body::Changed { change: body }),
    };
    let bytes = encode_body(&body);
    (bytes.len() <= MAX_CHANGE_BYTES).then_some((since, bytes))
}

pub(super) fn encode_body(body: &impl serde::Serialize) -> Vec<u8> {
    // Cannot fail: it writes to memory, and the bodies have neither maps nor sequences of unknown length.
    postcard::to_stdvec(body).unwrap_or_default()
}

pub(super) fn with_header(from: NodeId, version: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(17 + body.len() + Sequence::BYTES);
    bytes.push(version);
    bytes.extend_from_slice(from.uuid().as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// Splits the bytes into the sender and the body.
pub(super) fn split_header(bytes: &[u8], known: u8) -> Result<(NodeId, &[u8]), BadEnvelope> {
    let (version, rest) = bytes.split_first().ok_or(BadEnvelope::Garbage)?;
    // A signed envelope is verified before, and contains an unsigned one.
    if *version > known || *version == SIGNED_SINCE {
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
