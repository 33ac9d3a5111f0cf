//! Every reason for which a session may end: close code, words for the client, label for the meters.
//!
//! Codes are those of graphql-transport-ws (44xx) and of RFC 6455, section 7.4.1 with the IANA registry (1xxx).
//! A reason's text fits a close frame: at most [`CloseReason::MAX_TEXT`] bytes of UTF-8.
//!
//! The graphql-ws JavaScript client gives up at once, whatever its `shouldRetry` says, on 4004, 4005, 4400, 4401,
//! 4406, 4409, 4429, 4500 and on every 1xxx but 1000, 1001, 1005, 1006, 1012, 1013 and 1014. It comes back after
//! 4403 and 4408. So a reason that may be tried again must not use a code of the first kind.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;

use super::{
    FrameError, ProtocolFault, frame,
    graphql_ws::{BadMessage, OperationId},
    utf8::shortened,
};

/// Which protocol a session speaks: its clients understand codes differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// graphql-transport-ws.
    GraphQl,
    /// y-websocket. Its provider (3.1) gives up for good on 4400 to 4499, and comes back after everything else.
    Sync,
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer closed, and was answered with its own code, or its connection broke. As a frame it is sent to a peer
    /// that hung up without one, in case it still reads.
    Gone,
    /// A message that graphql-transport-ws does not know, and what is wrong with it.
    BadMessage(Cow<'static, str>),
    /// An operation before the connection was acknowledged.
    Unauthorized,
    /// Neither the upgrade nor `connection_init` carried a token.
    MissingToken,
    /// A token that is not ours, not yet or no longer valid, or somebody else's.
    InvalidToken,
    /// The session's token ran out.
    TokenExpired,
    /// The user has as many connections as one user may have.
    ConnectionLimit,
    /// The user may not open the document, or no longer; one that does not exist looks the same.
    Forbidden,
    /// The document that an editor had open was deleted.
    DocumentDeleted,
    /// An editor has another history of the document.
    UnrelatedHistory,
    /// What an editor wrote breaks a limit: which, and what to do.
    Refused(Cow<'static, str>),
    /// A subprotocol that this endpoint does not speak.
    WrongSubprotocol,
    /// No `connection_init` in time.
    InitTimeout,
    /// `subscribe` with the id of an operation that is still active.
    DuplicateId(OperationId),
    /// A second `connection_init`.
    SecondInit,
    /// This node is stopping; the wait differs from session to session, so that they do not all come back at once.
    GoingAway {
        /// After how long the client should come back.
        retry_after: Duration,
    },
    /// A frame or message over its limit.
    TooBig {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The peer took none of the bytes that wait for it.
    TooSlow,
    /// The peer sent nothing, not even a pong. It is 1001, as for a node that goes away: should the peer still be
    /// there after all (a laptop that slept), every client takes that code as an invitation to come back.
    Silent {
        /// For how long nothing was heard.
        limit: Duration,
    },
    /// A frame that breaks RFC 6455.
    ProtocolError(ProtocolFault),
    /// Text, or the reason in a close frame, that is not UTF-8.
    InvalidData,
    /// What is needed to admit anybody, the database, cannot be reached now.
    Unavailable,
    /// A fault of ours. Clients stay away after 1011; to have them come back, use [`CloseReason::GoingAway`].
    InternalError,
}

impl CloseReason {
    /// The longest text of a close frame, in bytes: 125 of a control frame less 2 for the code (RFC 6455, section 5.5).
    pub const MAX_TEXT: usize = 123;

    /// One of each, for tables and for meters that start at zero.
    #[must_use]
    pub fn all() -> [Self; 23] {
        [
            Self::Gone,
            Self::BadMessage(Cow::Borrowed("Invalid message")),
            Self::Unauthorized,
            Self::MissingToken,
            Self::InvalidToken,
            Self::TokenExpired,
            Self::ConnectionLimit,
            Self::Forbidden,
            Self::DocumentDeleted,
            Self::UnrelatedHistory,
            Self::Refused(Cow::Borrowed("The change is too large")),
            Self::WrongSubprotocol,
            Self::InitTimeout,
            Self::DuplicateId(OperationId::example()),
            Self::SecondInit,
            Self::GoingAway { retry_after: Duration::from_secs(3) },
            Self::TooBig { limit: 1 << 20 },
            Self::TooSlow,
            Self::Unavailable,
            Self::Silent { limit: Duration::from_secs(90) },
            Self::ProtocolError(ProtocolFault::ReservedBits),
            Self::InvalidData,
            Self::InternalError,
        ]
    }

    /// The code of the close frame for a client that speaks so.
    #[must_use]
    pub fn code_in(&self, dialect: Dialect) -> u16 {
        match (dialect, self) {
            // With a fresh token it may come back (3000 is "Unauthorized" in IANA's registry) ...
            (Dialect::Sync, Self::TokenExpired) => 3000,
            // ... as it may when another connection has ended ...
            (Dialect::Sync, Self::ConnectionLimit | Self::InitTimeout) => 1013,
            // ... while what is too large now is too large the next time.
            (Dialect::Sync, Self::TooBig { .. }) => 4413,
            _ => self.code(),
        }
    }

    /// The code of the close frame.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Gone => 1000,
            Self::GoingAway { .. } | Self::Silent { .. } => 1001,
            Self::ProtocolError(_) => 1002,
            Self::InvalidData => 1007,
            Self::TooBig { .. } => 1009,
            Self::InternalError => 1011,
            Self::TooSlow | Self::Unavailable => 1013,
            Self::BadMessage(_) => 4400,
            Self::Unauthorized => 4401,
            Self::MissingToken
            | Self::InvalidToken
            | Self::TokenExpired
            | Self::ConnectionLimit
            | Self::Forbidden => 4403,
            Self::DocumentDeleted => 4404,
            Self::UnrelatedHistory => 4410,
            Self::Refused(_) => 4413,
            Self::WrongSubprotocol => 4406,
            Self::InitTimeout => 4408,
            Self::DuplicateId(_) => 4409,
            Self::SecondInit => 4429,
        }
    }

    /// What the client is told, at most [`CloseReason::MAX_TEXT`] bytes.
    ///
    /// A longer text of a bad message ends early; of a long operation id only the beginning is named.
    #[must_use]
    pub fn text(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Gone => "Closed",
            Self::BadMessage(text) => match text {
                Cow::Borrowed(text) => shortened(text, Self::MAX_TEXT),
                Cow::Owned(text) => {
                    return Cow::Owned(shortened(text, Self::MAX_TEXT).to_owned());
                }
            },
            Self::Unauthorized => "Unauthorized",
            Self::MissingToken => "Missing authentication token",
            Self::InvalidToken => "Invalid token",
            Self::TokenExpired => "Token expired",
            Self::ConnectionLimit => "Connection limit exceeded",
            Self::Forbidden => {
                "You may not open this document, or there is none; ask its owner for access"
            }
            Self::DocumentDeleted => "The document was deleted",
            Self::UnrelatedHistory => {
                "The document was begun anew, and what you have is of an older one; reload it"
            }
            Self::Refused(text) => {
                return Cow::Owned(shortened(text, Self::MAX_TEXT).to_owned());
            }
            Self::WrongSubprotocol => "Subprotocol not acceptable",
            Self::InitTimeout => "Connection initialisation timeout",
            Self::DuplicateId(id) => return Cow::Owned(duplicate_text(id.as_str())),
            Self::SecondInit => "Too many initialisation requests",
            Self::GoingAway { retry_after } => {
                let wait = whole_seconds(*retry_after);
                return Cow::Owned(format!("Server is restarting; reconnect in {wait} s"));
            }
            Self::TooBig { limit } => {
                return Cow::Owned(format!("Larger than the limit of {limit} bytes; send less"));
            }
            Self::Unavailable => "The database is not available; reconnect in a moment",
            Self::TooSlow => "Too slow: what was sent is not being read; reconnect to go on",
            Self::Silent { limit } => {
                return Cow::Owned(format!("Nothing heard for {} s", whole_seconds(*limit)));
            }
            Self::ProtocolError(fault) => fault.text(),
            Self::InvalidData => "Text that is not UTF-8",
            Self::InternalError => "Internal error",
        })
    }

    /// The label under which the meters count it.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::BadMessage(_) => "bad_message",
            Self::Unauthorized => "unauthorized",
            Self::MissingToken => "missing_token",
            Self::InvalidToken => "invalid_token",
            Self::TokenExpired => "token_expired",
            Self::ConnectionLimit => "connection_limit",
            Self::Forbidden => "forbidden",
            Self::DocumentDeleted => "document_deleted",
            Self::UnrelatedHistory => "unrelated_history",
            Self::Refused(_) => "refused",
            Self::WrongSubprotocol => "wrong_subprotocol",
            Self::InitTimeout => "init_timeout",
            Self::DuplicateId(_) => "duplicate_id",
            Self::SecondInit => "second_init",
            Self::GoingAway { .. } => "going_away",
            Self::TooBig { .. } => "too_big",
            Self::TooSlow => "too_slow",
            Self::Unavailable => "unavailable",
            Self::Silent { .. } => "silent",
            Self::ProtocolError(_) => "protocol_error",
            Self::InvalidData => "invalid_data",
            Self::InternalError => "internal_error",
        }
    }

    /// Whether the client may come back by itself and hope for better: with a fresh token after `TokenExpired`,
    /// once a connection has become free after `ConnectionLimit`, as it was after the others.
    ///
    /// Where this is false the same client would fail in the same way. It never promises more than the code does:
    /// for each code on which the graphql-ws client gives up (module documentation) this is false.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        match self {
            Self::Gone
            | Self::TokenExpired
            | Self::ConnectionLimit
            | Self::InitTimeout
            | Self::GoingAway { .. }
            | Self::TooSlow
            | Self::Unavailable
            | Self::Silent { .. } => true,
            Self::BadMessage(_)
            | Self::Unauthorized
            | Self::MissingToken
            | Self::InvalidToken
            | Self::Forbidden
            | Self::DocumentDeleted
            | Self::UnrelatedHistory
            | Self::Refused(_)
            | Self::WrongSubprotocol
            | Self::DuplicateId(_)
            | Self::SecondInit
            | Self::TooBig { .. }
            | Self::ProtocolError(_)
            | Self::InvalidData
            | Self::InternalError => false,
        }
    }

    /// The close frame that says so to a client that speaks so.
    #[must_use]
    pub fn frame(&self, dialect: Dialect) -> Bytes {
        frame::close(self.code_in(dialect), &self.text())
    }
}

impl From<BadMessage> for CloseReason {
    fn from(bad: BadMessage) -> Self {
        Self::BadMessage(Cow::Owned(bad.into_text()))
    }
}

impl From<FrameError> for CloseReason {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Protocol(fault) => Self::ProtocolError(fault),
            FrameError::InvalidUtf8 => Self::InvalidData,
            FrameError::TooBig { limit } => Self::TooBig { limit },
        }
    }
}

/// A moment too late is better than one too early: part of a second counts as one.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

fn duplicate_text(id: &str) -> String {
    const AROUND: usize = "Subscriber for  already exists".len();
    const LEFT_OUT: &str = "…";
    let room = CloseReason::MAX_TEXT - AROUND;
    if id.len() <= room {
        format!("Subscriber for {id} already exists")
    } else {
        let start = shortened(id, room - LEFT_OUT.len());
        format!("Subscriber for {start}{LEFT_OUT} already exists")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The codes after which the graphql-ws client gives up.
    fn is_fatal_for_graphql_ws(code: u16) -> bool {
        let internal = (1000..2000).contains(&code)
            && !matches!(code, 1000 | 1001 | 1005 | 1006 | 1012..=1014);
        internal || matches!(code, 4004 | 4005 | 4400 | 4401 | 4406 | 4409 | 4429 | 4500)
    }

    #[test]
    fn what_may_be_tried_again_is_tried_again_by_clients() {
        for reason in CloseReason::all() {
            let fatal = is_fatal_for_graphql_ws(reason.code());
            assert!(
                !(reason.may_retry() && fatal),
                "{reason:?} has a code that clients give up on"
            );
        }
    }

    #[test]
    fn editors_come_back_where_it_helps_and_stay_away_where_it_does_not() {
        for reason in CloseReason::all() {
            let gives_up = (4400..4500).contains(&reason.code_in(Dialect::Sync));
            assert!(!(gives_up && reason.may_retry()), "{reason:?}");
        }
    }

    #[test]
    fn labels_are_distinct_and_plain() {
        let labels: HashSet<_> = CloseReason::all().iter().map(CloseReason::label).collect();
        assert_eq!(labels.len(), CloseReason::all().len());
        assert!(labels.iter().all(|label| {
            !label.is_empty() && label.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        }));
    }

    #[test]
    fn every_text_fits_a_close_frame() {
        for reason in CloseReason::all() {
            let text = reason.text();
            assert!(!text.is_empty() && text.len() <= CloseReason::MAX_TEXT, "{text}");
        }
        for length in 1..=OperationId::MAX_LENGTH / 2 {
            let id = OperationId::new(&"ö".repeat(length)).expect("within the limit");
            let text = CloseReason::DuplicateId(id).text();
            assert!(text.len() <= CloseReason::MAX_TEXT);
            assert!(text.starts_with("Subscriber for ö") && text.ends_with(" already exists"));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = CloseReason::BadMessage("x€".repeat(100).into()).text();
        assert_eq!(text.len(), 121 /* 30 pairs of 4 bytes and one more "x" */);
        let borrowed = CloseReason::BadMessage(Cow::Borrowed("short")).text();
        assert!(matches!(borrowed, Cow::Borrowed("short")));
    }

    #[test]
    fn waits_are_told_in_whole_seconds_rounded_up() {
        let reason = CloseReason::GoingAway { retry_after: Duration::from_millis(2_001) };
        assert_eq!(reason.text(), "Server is restarting; reconnect in 3 s");
        let reason = CloseReason::Silent { limit: Duration::from_secs(90) };
        assert_eq!(reason.text(), "Nothing heard for 90 s");
    }

    #[test]
    fn frame_errors_have_the_codes_of_rfc_6455() {
        let code = |error| CloseReason::from(error).code();
        assert_eq!(code(FrameError::Protocol(ProtocolFault::Unmasked)), 1002);
        assert_eq!(code(FrameError::InvalidUtf8), 1007);
        assert_eq!(code(FrameError::TooBig { limit: 5 }), 1009);
    }
}
