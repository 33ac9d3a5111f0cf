//! The reasons for which the server closes a session.
//!
//! [`CloseReason`] determines the code and the text of the close frame, the label in metrics and logs, and whether the
//! client may reconnect. A new reason is a variant, a row in [`CloseReason::row`], a text in [`CloseReason::text`], an
//! example in [`CloseReason::all`], and a row of the table "Close codes" in `docs/PROTOCOL.md`.
//!
//! Codes are those of graphql-transport-ws (44xx), of RFC 6455, section 7.4.1, and of the IANA registry (1xxx and
//! 3xxx). The graphql-ws JavaScript client gives up, whatever its `shouldRetry` returns, after 4004, 4005, 4400, 4401,
//! 4406, 4409, 4429, 4500 and all of 1xxx except 1000, 1001, 1005, 1006, 1012, 1013 and 1014. It reconnects after 4403
//! and 4408. The y-websocket provider (3.1) gives up after 4400 to 4499 and reconnects after every other code.
//!
//! Invariant: a reason with `may_retry` has no code after which clients give up, and a text has at most
//! [`CloseReason::MAX_TEXT`] bytes.

use std::{borrow::Cow, time::Duration};

use bytes::Bytes;

use super::{
    FrameError, ProtocolFault, frame,
    graphql_ws::{BadMessage, OperationId},
    utf8::shortened,
};

/// The protocol of a session. Clients of the two protocols interpret some close codes differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// graphql-transport-ws.
    GraphQl,
    /// y-websocket.
    Yjs,
}

/// The reason for which a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The client closed, and its close frame was answered with the same code, or the connection broke. This close frame
    /// is sent to a client that disconnected without one, in case it still reads.
    Gone,
    /// The server is stopping. The delay differs between sessions, so that they do not all reconnect at once.
    GoingAway {
        /// The time after which the client should reconnect.
        retry_after: Duration,
    },
    /// The client sent nothing, not even a pong. The code is 1001, after which every client reconnects: the client may
    /// still exist, for example on a laptop that was asleep.
    Silent {
        /// The time without any bytes from the client.
        limit: Duration,
    },
    /// A frame that violates RFC 6455.
    ProtocolError(ProtocolFault),
    /// A text message or the reason of a close frame is not UTF-8.
    InvalidData,
    /// A frame or message over its limit.
    TooBig {
        /// The limit in bytes.
        limit: usize,
    },
    /// A fault in the server. Clients do not reconnect after 1011. To make them reconnect, use
    /// [`CloseReason::GoingAway`].
    InternalError,
    /// The database does not respond, or the room cannot accept more work.
    Unavailable,
    /// Large messages of the user, or of everybody, have no memory for another one.
    MemoryExhausted,
    /// A large message arrives too slowly.
    MessageTooSlow,
    /// The client accepts none of the bytes that are queued for it.
    TooSlow,
    /// A message that is not part of the protocol, with its fault.
    BadMessage(Cow<'static, str>),
    /// An operation before the connection was acknowledged.
    Unauthorized,
    /// Neither the upgrade nor `connection_init` carried a token.
    MissingToken,
    /// A token that this server did not issue, that is not yet or no longer valid, or that belongs to another user.
    InvalidToken,
    /// The session's token expired.
    TokenExpired,
    /// The sign-in of the client's token has ended: the user has signed out, or changed the password.
    SignedOut,
    /// An operator has blocked the account.
    Blocked,
    /// What a Yjs editor has shown is no ticket of this server, or one for another document.
    InvalidTicket,
    /// The ticket of a Yjs editor expired before it was used.
    TicketExpired,
    /// The ticket of a Yjs editor was used before.
    TicketUsed,
    /// The user has the maximum number of connections.
    ConnectionLimit,
    /// The user of a Yjs editor has the maximum number of documents open.
    DocumentLimit,
    /// The user has no access to the document, or lost it. A document that does not exist looks the same.
    Forbidden,
    /// The document of a Yjs editor was deleted.
    DocumentDeleted,
    /// The client did not offer the subprotocol of this endpoint.
    WrongSubprotocol,
    /// No `connection_init` in time.
    InitTimeout,
    /// `subscribe` with the id of an active operation.
    DuplicateId(OperationId),
    /// A Yjs editor has another history of the document.
    UnrelatedHistory,
    /// The client has a newer connection, which named this one. Yjs editors do not reconnect after its code: two providers
    /// that use one client id would replace each other forever.
    Replaced,
    /// The document is too heavy to be loaded, for Yjs editors.
    TooHeavy,
    /// A second `connection_init`.
    SecondInit,
}

/// The fixed properties of a reason, as in the table of `docs/PROTOCOL.md`.
struct Row {
    code: u16,
    yjs_code: u16,
    label: &'static str,
    may_retry: bool,
}

impl Row {
    /// A reason after which the client may reconnect.
    const fn retry(code: u16, label: &'static str) -> Self {
        Self { code, yjs_code: code, label, may_retry: true }
    }

    /// A reason that the same client would meet again.
    const fn fatal(code: u16, label: &'static str) -> Self {
        Self { code, yjs_code: code, label, may_retry: false }
    }

    /// Sets another code for Yjs editors.
    const fn for_yjs(self, yjs_code: u16) -> Self {
        Self { yjs_code, ..self }
    }
}

impl CloseReason {
    /// The maximum length of a text in bytes: 125 bytes of a control frame minus 2 for the code (RFC 6455, section 5.5).
    pub const MAX_TEXT: usize = 123;

    /// Returns one example of each reason, for tests.
    #[must_use]
    pub fn all() -> [Self; 32] {
        [
            Self::Gone,
            Self::GoingAway { retry_after: Duration::from_secs(3) },
            Self::Silent { limit: Duration::from_secs(90) },
            Self::ProtocolError(ProtocolFault::ReservedBits),
            Self::InvalidData,
            Self::TooBig { limit: 64 << 20 },
            Self::InternalError,
            Self::Unavailable,
            Self::MemoryExhausted,
            Self::MessageTooSlow,
            Self::TooSlow,
            Self::BadMessage(Cow::Borrowed("Invalid message")),
            Self::Unauthorized,
            Self::MissingToken,
            Self::InvalidToken,
            Self::TokenExpired,
            Self::SignedOut,
            Self::Blocked,
            Self::InvalidTicket,
            Self::TicketExpired,
            Self::TicketUsed,
            Self::ConnectionLimit,
            Self::DocumentLimit,
            Self::Forbidden,
            Self::DocumentDeleted,
            Self::WrongSubprotocol,
            Self::InitTimeout,
            Self::DuplicateId(OperationId::example()),
            Self::UnrelatedHistory,
            Self::TooHeavy,
            Self::Replaced,
            Self::SecondInit,
        ]
    }

    /// The table of all reasons.
    const fn row(&self) -> Row {
        match self {
            Self::Gone => Row::retry(1000, "gone"),
            Self::GoingAway { .. } => Row::retry(1001, "going_away"),
            Self::Silent { .. } => Row::retry(1001, "silent"),
            Self::ProtocolError(_) => Row::fatal(1002, "protocol_error"),
            Self::InvalidData => Row::fatal(1007, "invalid_data"),
            // The provider would reconnect after 1009 and send the same again.
            Self::TooBig { .. } => Row::fatal(1009, "too_big").for_yjs(4413),
            Self::InternalError => Row::fatal(1011, "internal_error"),
            Self::Unavailable => Row::retry(1013, "unavailable"),
            Self::MemoryExhausted => Row::retry(1013, "memory_exhausted"),
            Self::MessageTooSlow => Row::retry(1013, "message_too_slow"),
            Self::TooSlow => Row::retry(1013, "too_slow"),
            Self::BadMessage(_) => Row::fatal(4400, "bad_message"),
            Self::Unauthorized => Row::fatal(4401, "unauthorized"),
            Self::MissingToken => Row::fatal(4403, "missing_token"),
            Self::InvalidToken => Row::fatal(4403, "invalid_token"),
            // 3000 is "Unauthorized" in the IANA registry.
            Self::TokenExpired => Row::retry(4403, "token_expired").for_yjs(3000),
            Self::SignedOut => Row::fatal(4403, "signed_out"),
            Self::Blocked => Row::fatal(4403, "blocked"),
            Self::InvalidTicket => Row::fatal(4403, "invalid_ticket"),
            Self::TicketExpired => Row::fatal(4403, "ticket_expired"),
            Self::TicketUsed => Row::fatal(4403, "ticket_used"),
            Self::ConnectionLimit => Row::retry(4403, "connection_limit").for_yjs(1013),
            Self::DocumentLimit => Row::retry(1013, "document_limit"),
            Self::Forbidden => Row::fatal(4403, "forbidden"),
            Self::DocumentDeleted => Row::fatal(4404, "document_deleted"),
            Self::WrongSubprotocol => Row::fatal(4406, "wrong_subprotocol"),
            Self::InitTimeout => Row::retry(4408, "init_timeout").for_yjs(1013),
            Self::DuplicateId(_) => Row::fatal(4409, "duplicate_id"),
            Self::UnrelatedHistory => Row::fatal(4410, "unrelated_history"),
            Self::TooHeavy => Row::fatal(4413, "too_heavy"),
            Self::Replaced => Row::fatal(4412, "replaced"),
            Self::SecondInit => Row::fatal(4429, "second_init"),
        }
    }

    /// Returns the code of the close frame in graphql-transport-ws.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.row().code
    }

    /// Returns the code of the close frame in this protocol.
    #[must_use]
    pub const fn code_in(&self, dialect: Dialect) -> u16 {
        match dialect {
            Dialect::GraphQl => self.row().code,
            Dialect::Yjs => self.row().yjs_code,
        }
    }

    /// Returns the label of the reason in metrics and logs.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        self.row().label
    }

    /// Returns whether the client may reconnect by itself: after `TokenExpired` with a new token, after
    /// `ConnectionLimit` when another connection has ended, after the others unchanged. If this is false, the same
    /// client would fail in the same way.
    ///
    /// The server does not call this. It keeps the last column of the table "Close codes" in `docs/PROTOCOL.md` true.
    #[must_use]
    pub const fn may_retry(&self) -> bool {
        self.row().may_retry
    }

    /// Returns the text of the close frame, at most [`CloseReason::MAX_TEXT`] bytes.
    ///
    /// Clients show it to users, and distinguish reasons with the same code by it. The texts of graphql-transport-ws are
    /// part of that protocol. Cuts long texts and operation ids.
    #[must_use]
    pub fn text(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Gone => "Closed",
            Self::GoingAway { retry_after } => {
                let seconds = whole_seconds(*retry_after);
                return Cow::Owned(format!("Server is restarting; reconnect in {seconds} s"));
            }
            Self::Silent { limit } => {
                let seconds = whole_seconds(*limit);
                return Cow::Owned(format!(
                    "No data received for {seconds} s; reconnect to resume"
                ));
            }
            Self::ProtocolError(fault) => fault.text(),
            Self::InvalidData => "The text is not valid UTF-8",
            Self::TooBig { limit } => {
                return Cow::Owned(format!(
                    "Larger than the limit of {limit} bytes; send smaller messages"
                ));
            }
            Self::InternalError => "Internal server error",
            Self::Unavailable => "Temporarily unavailable; reconnect in a moment",
            Self::MemoryExhausted => {
                "Too many large messages are on their way; reconnect in a moment and send them again"
            }
            Self::MessageTooSlow => {
                "The message arrived too slowly; reconnect and send it again, in parts if it is long"
            }
            Self::TooSlow => "The client does not read what it receives; reconnect to resume",
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
            Self::SignedOut => "Signed out; sign in again",
            Self::Blocked => {
                "This account is blocked; ask the operator of the server to unblock it"
            }
            Self::InvalidTicket => "Invalid ticket; get one for this document",
            Self::TicketExpired => "Ticket expired; get another one",
            Self::TicketUsed => "Ticket used before; get another one",
            Self::ConnectionLimit => "You have too many connections open; close some of them",
            Self::DocumentLimit => "You have too many documents open; close some of them",
            Self::Forbidden => {
                "This document does not exist, or you have no access; ask its owner for access"
            }
            Self::DocumentDeleted => "This document was deleted",
            Self::WrongSubprotocol => "Subprotocol not acceptable",
            Self::InitTimeout => "Connection initialisation timeout",
            Self::DuplicateId(id) => return Cow::Owned(duplicate_text(id.as_str())),
            Self::UnrelatedHistory => {
                "This document was recreated, and your copy belongs to an older one; reload it"
            }
            Self::TooHeavy => {
                "This document is too heavy to be opened; ask the operator of the server to compact it"
            }
            Self::Replaced => "A newer connection of this client has replaced this one",
            Self::SecondInit => "Too many initialisation requests",
        })
    }

    /// Returns the close frame in this protocol.
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

/// Rounds up, since a client that reconnects too early fails again.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0))
}

fn duplicate_text(id: &str) -> String {
    const FIXED_BYTES: usize = "Subscriber for  already exists".len();
    const ELLIPSIS: &str = "…";
    let capacity = CloseReason::MAX_TEXT - FIXED_BYTES;
    if id.len() <= capacity {
        format!("Subscriber for {id} already exists")
    } else {
        let start = shortened(id, capacity - ELLIPSIS.len());
        format!("Subscriber for {start}{ELLIPSIS} already exists")
    }
}

#[cfg(test)]
#[path = "close_tests.rs"]
mod tests;
