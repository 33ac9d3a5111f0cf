//! Requests to the sessions of all other nodes, on a channel that every node subscribes to.

use chrono::{DateTime, Utc};

use super::{
    BadEnvelope, OLDEST_VERSION,
    body::{KeptSessionBody, PredecessorBody, SessionCallBody, time},
    document::{encode_body, split_header, with_header},
};
use crate::{
    domain::{
        DocumentId, EndedSignIns, KeptSession, NodeId, SessionId, SignIn, SignInId, TokenIssuer,
        UserId,
    },
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
    /// Close the sessions whose sign-ins have ended. Nodes of an older release do not know this request.
    EndSignIns {
        /// The user.
        user: UserId,
        /// Which sign-ins.
        ended: EndedSignIns,
        /// The session that belongs to a new sign-in, which began then, if all others have ended.
        kept: Option<KeptSession>,
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
                let kept = kept.map(|KeptSession { session, sign_in }| KeptSessionBody {
                    session: session.uuid(),
                    sign_in: sign_in.id.uuid(),
                    expires_at: sign_in.expires_at.timestamp_micros(),
                });
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
                let kept = match kept {
                    Some(kept) => Some(decode_kept(&kept, generation, at)?),
                    None => None,
                };
                Self::EndSignIns { user: UserId::from(user), ended, kept }
            }
        };
        Ok((from, call))
    }
}

/// Returns the session that stays open, and its sign-in, which began at `at`.
fn decode_kept(
    kept: &KeptSessionBody,
    generation: i64,
    at: DateTime<Utc>,
) -> Result<KeptSession, BadEnvelope> {
    let sign_in = SignIn {
        id: SignInId::from(kept.sign_in),
        issued_by: TokenIssuer::Ours,
        generation: Some(generation),
        issued_at: Some(at),
        began_at: Some(at),
        expires_at: time(kept.expires_at).ok_or(BadEnvelope::Garbage)?,
    };
    Ok(KeptSession { session: SessionId::from(kept.session), sign_in })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_decoded_as_they_were_encoded() {
        let (from, user) = (NodeId::new(), UserId::new());
        let editor = Predecessor::Editor { document: DocumentId::new(), client: u64::MAX };
        let at = DateTime::UNIX_EPOCH;
        let sign_in = SignIn {
            id: SignInId::new(),
            issued_by: TokenIssuer::Ours,
            generation: Some(7),
            issued_at: Some(at),
            began_at: Some(at),
            expires_at: at,
        };
        let (older, successor) = (Predecessor::Session(SessionId::new()), SessionId::new());
        for call in [
            SessionCall::Replace { user, predecessor: older, successor },
            SessionCall::Replace { user, predecessor: editor, successor },
            SessionCall::FreeSlot { user },
            SessionCall::EndSignIns { user, ended: EndedSignIns::One(SignInId::new()), kept: None },
            SessionCall::EndSignIns {
                user,
                ended: EndedSignIns::All { generation: 7, at },
                kept: Some(KeptSession { session: successor, sign_in }),
            },
        ] {
            let bytes = call.encode(from);
            assert_eq!(SessionCall::decode(&bytes, OLDEST_VERSION), Ok((from, call)));
            let short = &bytes[..bytes.len() - 1];
            assert_eq!(SessionCall::decode(short, OLDEST_VERSION), Err(BadEnvelope::Garbage));
        }
    }
}
