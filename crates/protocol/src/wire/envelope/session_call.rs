//! Requests to the sessions of all other nodes, on a channel that every node subscribes to.

use super::{
    BadEnvelope, OLDEST_VERSION,
    body::{PredecessorBody, SessionCallBody, time},
    document::{encode_body, split_header, with_header},
};
use crate::{
    domain::{DocumentId, EndedSignIns, NodeId, SessionId, SignInId, UserId},
    wire::Predecessor,
};

/// A request to the sessions of a user, wherever they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionCall {
    /// Close the predecessor of a new session.
    Replace {
        /// The user of both sessions.
        user: UserId,
        /// The older session.
        predecessor: Predecessor,
        /// The new session.
        successor: SessionId,
    },
    /// Close a session whose client no longer answers, because a new session finds no connection slot.
    FreeSlot {
        /// The user of both sessions.
        user: UserId,
    },
    /// Close the sessions whose sign-ins have ended. Nodes that do not know this request find the end in the database.
    EndSignIns {
        /// The user.
        user: UserId,
        /// Which sign-ins.
        ended: EndedSignIns,
        /// The session that moves on into the new generation, if all sign-ins have ended.
        kept: Option<SessionId>,
    },
}

impl SessionCall {
    /// Encodes the request as sent by `from`. Nodes that do not know it are not subscribed to its channel, so it needs no
    /// version of its own.
    #[must_use]
    pub fn encode(self, from: NodeId) -> Vec<u8> {
        let body = match self {
            Self::Replace { user, predecessor, successor } => SessionCallBody::Replace {
                user: user.uuid(),
                successor: successor.uuid(),
                predecessor: match predecessor {
                    Predecessor::Session(id) => PredecessorBody::Session(id.uuid()),
                    Predecessor::Editor { document, client } => {
                        PredecessorBody::Editor { document: document.uuid(), client }
                    }
                },
            },
            Self::FreeSlot { user } => SessionCallBody::FreeSlot { user: user.uuid() },
            Self::EndSignIns { user, ended: EndedSignIns::One(sign_in), .. } => {
                SessionCallBody::EndSignIn { user: user.uuid(), sign_in: sign_in.uuid() }
            }
            Self::EndSignIns { user, ended: EndedSignIns::All { generation, at }, kept } => {
                let (user, at) = (user.uuid(), at.timestamp_micros());
                let kept = kept.map(SessionId::uuid);
                SessionCallBody::EndAllSignIns { user, generation, at, kept }
            }
        };
        with_header(from, OLDEST_VERSION, &encode_body(&body))
    }

    /// Decodes the sender and the request, for a reader that knows `version`.
    ///
    /// # Errors
    /// [`BadEnvelope`] if the bytes are no request or its version is unknown.
    pub fn decode(bytes: &[u8], version: u8) -> Result<(NodeId, Self), BadEnvelope> {
        let (from, rest) = split_header(bytes, version)?;
        let call = match postcard::from_bytes(rest).map_err(|_error| BadEnvelope::Garbage)? {
            SessionCallBody::Replace { user, predecessor, successor } => Self::Replace {
                user: UserId::from(user),
                successor: SessionId::from(successor),
                predecessor: match predecessor {
                    PredecessorBody::Session(id) => Predecessor::Session(SessionId::from(id)),
                    PredecessorBody::Editor { document, client } => {
                        Predecessor::Editor { document: DocumentId::from(document), client }
                    }
                },
            },
            SessionCallBody::FreeSlot { user } => Self::FreeSlot { user: UserId::from(user) },
            SessionCallBody::EndSignIn { user, sign_in } => {
                let ended = EndedSignIns::One(SignInId::from(sign_in));
                Self::EndSignIns { user: UserId::from(user), ended, kept: None }
            }
            SessionCallBody::EndAllSignIns { user, generation, at, kept } => {
                let at = time(at).ok_or(BadEnvelope::Garbage)?;
                let ended = EndedSignIns::All { generation, at };
                let kept = kept.map(SessionId::from);
                Self::EndSignIns { user: UserId::from(user), ended, kept }
            }
        };
        Ok((from, call))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn requests_are_decoded_as_they_were_encoded() {
        let (from, user) = (NodeId::new(), UserId::new());
        let editor = Predecessor::Editor { document: DocumentId::new(), client: u64::MAX };
        let (older, successor) = (Predecessor::Session(SessionId::new()), SessionId::new());
        for call in [
            SessionCall::Replace { user, predecessor: older, successor },
            SessionCall::Replace { user, predecessor: editor, successor },
            SessionCall::FreeSlot { user },
            SessionCall::EndSignIns { user, ended: EndedSignIns::One(SignInId::new()), kept: None },
            SessionCall::EndSignIns {
                user,
                ended: EndedSignIns::All { generation: 7, at: DateTime::UNIX_EPOCH },
                kept: Some(successor),
            },
        ] {
            let bytes = call.encode(from);
            assert_eq!(SessionCall::decode(&bytes, OLDEST_VERSION), Ok((from, call)));
            let short = &bytes[..bytes.len() - 1];
            assert_eq!(SessionCall::decode(short, OLDEST_VERSION), Err(BadEnvelope::Garbage));
        }
    }
}
