//! Maps the errors before an operation runs to HTTP: a status, a code, and a message that is safe to show.
//!
//! No `match` has a wildcard arm, also not over nested enums, so that a new error breaks the build here until it has a
//! status and a code.

use std::time::Duration;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName},
    },
};

use crate::{
    auth::TokenError,
    memory::MemoryExhausted,
    roster::RosterUnavailable,
    session::{IdentityError, Throttled},
    store::StoreError,
    wire::ErrorCode,
};

/// The reason why a request is refused before its operation runs.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The `Authorization` header is not a bearer token.
    #[error(
        "The Authorization header is not a bearer token. Send `Authorization: Bearer <token>`."
    )]
    Authorization,
    /// The token does not identify a user.
    #[error("{}", identity_message(.0))]
    Identity(#[from] IdentityError),
    /// `X-Session-Id` is not an id, or names a session that is not open.
    #[error(
        "X-Session-Id does not name an open session. Use the sessionId of the connection_ack, while the socket is open."
    )]
    UnknownSession,
    /// `X-Session-Id` names a session of another user.
    #[error("X-Session-Id names another user's session. Use the sessionId of your own socket.")]
    ForeignSession,
    /// `X-Session-Id` may name a session on another node, and sessions there cannot be looked up.
    #[error(
        "X-Session-Id cannot be looked up at the moment. Try again in a moment, or omit the header."
    )]
    Roster(#[from] RosterUnavailable),
    /// The upgrade of an editor has no token and no ticket.
    #[error(
        "The request has no token. Offer the subprotocols `coscribe` and `bearer.<token>`, or add `?ticket=<ticket>` to the \
         address."
    )]
    NoToken,
    /// The request has tokens that differ, or a token and a ticket.
    #[error("The request has {0}. Send only one of them.")]
    SeveralCredentials(&'static str),
    /// The address of an editor is wrong, apart from the token or ticket.
    #[error("{0}.")]
    EditorAddress(&'static str),
    /// A request to the address of editors is not an upgrade.
    #[error("This address is for Yjs editors only. Connect to it with a y-websocket provider.")]
    NeedsEditor,
    /// A request to the address of HocuspocusProvider is not an upgrade.
    #[error(
        "This address is for editors with a HocuspocusProvider only. Give it to the provider as `url`."
    )]
    NeedsProvider,
    /// Pages from this origin are not allowed.
    #[error(
        "Pages from this origin may not use the server. Ask its operator to add the origin to `server.allowed_origins`."
    )]
    Origin,
    /// The WebSocket handshake is not valid.
    #[error(
        "The WebSocket handshake is not valid: {0}. Connect with a WebSocket client of version 13."
    )]
    Handshake(String),
    /// The body is too large.
    #[error("The request has more than {limit} bytes. Send a smaller one.")]
    TooLarge {
        /// The most bytes of a body.
        limit: usize,
    },
    /// The body did not arrive in time.
    #[error(
        "The request arrives too slowly: after {within:?} it must keep up a least rate. Send it again, or send a smaller one."
    )]
    TooSlow {
        /// How long a body may take at any rate.
        within: Duration,
    },
    /// The caller has too many requests that are not answered.
    #[error(
        "You have {max} requests that are not answered yet, the most of one user. Wait for an answer, then try again."
    )]
    TooManyInFlight {
        /// The most requests of a user.
        max: usize,
    },
    /// There is no memory for the body.
    #[error(transparent)]
    Memory(#[from] MemoryExhausted),
    /// The body is not declared as JSON.
    #[error("The content type is not supported. Send `Content-Type: application/json`.")]
    ContentType,
    /// The body is compressed.
    #[error(
        "The body is compressed, which this server does not support. Send it without Content-Encoding."
    )]
    ContentEncoding,
    /// The client does not accept JSON.
    #[error(
        "Responses are JSON. Accept `application/graphql-response+json` or `application/json`."
    )]
    NotAcceptable,
    /// The body or the query string cannot be parsed.
    #[error("The request cannot be parsed: {0}. Correct it and send it again.")]
    Malformed(String),
    /// A mutation or subscription by `GET`.
    #[error(
        "GET supports queries only. Send mutations by POST and subscriptions over a WebSocket."
    )]
    OnlyQueries,
    /// A subscription by `POST`.
    #[error(
        "Subscriptions need a WebSocket. Connect to this address with the subprotocol graphql-transport-ws."
    )]
    NeedsSocket,
    /// A method that GraphQL over HTTP does not use.
    #[error("Use POST or GET for GraphQL requests.")]
    Method,
    /// A method with which nothing can be read.
    #[error("This address can only be read. Use GET or HEAD.")]
    ReadOnly,
    /// A method that is not a standard HTTP method.
    #[error("The server does not know this HTTP method. Use POST or GET for GraphQL requests.")]
    UnknownMethod,
    /// A request in chunks was the last one of the connection.
    #[error("The connection ended with the request before. Open another one.")]
    AfterLast,
    /// The caller exceeds a rate limit.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// A fault of the server, which it has logged.
    #[error("The server failed to read the request and has logged the cause. Try again later.")]
    Failed,
    /// Too many large requests wait to be read.
    #[error("The server is reading too many large requests. Try again in a moment.")]
    Busy,
    /// The node is stopping.
    #[error("The server is restarting. Connect again in a moment.")]
    Draining,
}

/// The challenge to a request without a bearer token. It has no error code, because the client did not present
/// anything that could be wrong (RFC 6750, section 3.1).
const CHALLENGE: &str = r#"Bearer realm="coscribe""#;

/// The challenge to a request with an invalid token.
const INVALID_TOKEN: &str = r#"Bearer realm="coscribe", error="invalid_token""#;

fn identity_message(error: &IdentityError) -> String {
    match error {
        IdentityError::Token(error) => error.to_string(),
        IdentityError::Ticket(error) => error.to_string(),
        IdentityError::Unknown => {
            "The token is valid, but its user has no account here. Register first.".to_owned()
        }
        IdentityError::SignedOut => {
            "The sign-in of this token has ended. Sign in again.".to_owned()
        }
        IdentityError::Blocked => {
            "Your account is blocked. Ask the operator of the server to unblock it.".to_owned()
        }
        IdentityError::Store(error) => error.to_string(),
    }
}

impl HttpError {
    /// Returns the status of the response, and the code that the client receives as `extensions.code`.
    fn status_and_code(&self) -> (StatusCode, ErrorCode) {
        match self {
            Self::Authorization | Self::NoToken => {
                (StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated)
            }
            Self::Identity(error) => match error {
                IdentityError::Token(TokenError::NoKeys) => {
                    (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable)
                }
                IdentityError::Token(_)
                | IdentityError::Ticket(_)
                | IdentityError::Unknown
                | IdentityError::SignedOut => {
                    (StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated)
                }
                IdentityError::Blocked => (StatusCode::FORBIDDEN, ErrorCode::Forbidden),
                IdentityError::Store(
                    StoreError::Busy | StoreError::NoAnswer | StoreError::Unavailable(_),
                ) => (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable),
                // Loading or enrolling an account returns none of these but the last two.
                IdentityError::Store(
                    StoreError::EmailTaken
                    | StoreError::KeyTaken
                    | StoreError::NoSuchUser
                    | StoreError::Denied
                    | StoreError::OwnerKeepsAccess
                    | StoreError::Blocked
                    | StoreError::TooManyNamed
                    | StoreError::NotNamer
                    | StoreError::TooManyBlocked
                    | StoreError::TooManyAddresses
                    | StoreError::Link(_)
                    | StoreError::GroupLimit(_)
                    | StoreError::HandOver(_)
                    | StoreError::OverQuota(_)
                    | StoreError::Migration(_)
                    | StoreError::Internal(_),
                ) => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal),
            },
            Self::ForeignSession | Self::Origin => (StatusCode::FORBIDDEN, ErrorCode::Forbidden),
            Self::UnknownSession
            | Self::NeedsEditor
            | Self::NeedsProvider
            | Self::SeveralCredentials(_)
            | Self::EditorAddress(_)
            | Self::AfterLast
            | Self::Malformed(_)
            | Self::Handshake(_)
            | Self::NeedsSocket => (StatusCode::BAD_REQUEST, ErrorCode::BadUserInput),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BadUserInput),
            Self::TooSlow { .. } => (StatusCode::REQUEST_TIMEOUT, ErrorCode::BadUserInput),
            Self::ContentType | Self::ContentEncoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::BadUserInput)
            }
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, ErrorCode::BadUserInput),
            Self::OnlyQueries | Self::Method | Self::ReadOnly => {
                (StatusCode::METHOD_NOT_ALLOWED, ErrorCode::BadUserInput)
            }
            Self::UnknownMethod => (StatusCode::NOT_IMPLEMENTED, ErrorCode::BadUserInput),
            Self::Throttled(_) | Self::TooManyInFlight { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited)
            }
            Self::Memory(MemoryExhausted::OfUser { .. }) => {
                (StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited)
            }
            Self::Memory(MemoryExhausted::OfNode { .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable)
            }
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal),
            Self::Busy | Self::Draining | Self::Roster(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable)
            }
        }
    }

    /// Returns the name of the reason in the log.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Authorization => "no_bearer_token",
            Self::Identity(IdentityError::Token(error)) => error.label(),
            Self::Identity(IdentityError::Ticket(error)) => error.label(),
            Self::Identity(IdentityError::Unknown) => "unknown_user",
            Self::Identity(IdentityError::SignedOut) => "signed_out",
            Self::Identity(IdentityError::Blocked) => "blocked",
            Self::Identity(IdentityError::Store(_)) => "account_not_loaded",
            Self::UnknownSession => "unknown_session",
            Self::ForeignSession => "foreign_session",
            Self::Roster(_) => "roster_unavailable",
            Self::NoToken => "missing",
            Self::SeveralCredentials(_) => "several_credentials",
            Self::EditorAddress(_) | Self::Malformed(_) => "malformed_address",
            Self::NeedsEditor | Self::NeedsProvider => "no_upgrade",
            Self::AfterLast => "after_last",
            Self::Origin => "origin",
            Self::Failed => "failed",
            Self::Handshake(_) => "handshake",
            Self::TooLarge { .. } => "too_large",
            Self::TooSlow { .. } => "too_slow",
            Self::ContentType => "content_type",
            Self::ContentEncoding => "content_encoding",
            Self::NotAcceptable => "not_acceptable",
            Self::OnlyQueries => "only_queries",
            Self::NeedsSocket => "needs_socket",
            Self::Method => "method",
            Self::ReadOnly => "read_only",
            Self::UnknownMethod => "unknown_method",
            Self::Throttled(_) => "rate_limited",
            Self::TooManyInFlight { .. } => "too_many_in_flight",
            Self::Memory(_) => "memory_exhausted",
            Self::Busy => "busy",
            Self::Draining => "draining",
        }
    }

    /// Returns the header that the status requires.
    fn header(&self) -> Option<(HeaderName, &'static str)> {
        match self {
            Self::Authorization | Self::NoToken => Some((header::WWW_AUTHENTICATE, CHALLENGE)),
            // The token may be valid.
            Self::Identity(IdentityError::Token(TokenError::NoKeys) | IdentityError::Blocked) => {
                None
            }
            Self::Identity(
                IdentityError::Token(_)
                | IdentityError::Ticket(_)
                | IdentityError::Unknown
                | IdentityError::SignedOut,
            ) => Some((header::WWW_AUTHENTICATE, INVALID_TOKEN)),
            // RFC 6455, section 4.4.
            Self::Handshake(_) => Some((header::SEC_WEBSOCKET_VERSION, "13")),
            // RFC 9110, section 15.5.16.
            Self::ContentEncoding => Some((header::ACCEPT_ENCODING, "identity")),
            Self::OnlyQueries => Some((header::ALLOW, "POST")),
            Self::Method => Some((header::ALLOW, "GET, HEAD, POST")),
            Self::ReadOnly => Some((header::ALLOW, "GET, HEAD")),
            // The token may be valid: the account could not be looked up.
            Self::Identity(IdentityError::Store(_))
            | Self::UnknownSession
            | Self::ForeignSession
            | Self::Roster(_)
            | Self::NeedsEditor
            | Self::NeedsProvider
            | Self::SeveralCredentials(_)
            | Self::EditorAddress(_)
            | Self::AfterLast
            | Self::Origin
            | Self::TooLarge { .. }
            | Self::TooSlow { .. }
            | Self::ContentType
            | Self::NotAcceptable
            | Self::Malformed(_)
            | Self::NeedsSocket
            | Self::UnknownMethod
            | Self::Throttled(_)
            | Self::TooManyInFlight { .. }
            | Self::Memory(_)
            | Self::Failed
            | Self::Busy
            | Self::Draining => None,
        }
    }

    /// Logs a failure of the store, whose causes the client does not receive.
    fn log(&self) {
        let Self::Identity(IdentityError::Store(error)) = self else { return };
        let cause: &dyn std::error::Error = error;
        if self.status_code() == StatusCode::SERVICE_UNAVAILABLE {
            tracing::warn!(error = cause, "the account of a token could not be looked up");
        } else {
            tracing::error!(error = cause, "the account of a token could not be looked up");
        }
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        self.status_and_code().0
    }

    fn error_response(&self) -> HttpResponse {
        self.log();
        let (status, code) = self.status_and_code();
        let mut response = HttpResponse::build(status);
        if let Some(header) = self.header() {
            response.insert_header(header);
        }
        response.json(serde_json::json!({
            "errors": [{
                "message": self.to_string(),
                "extensions": { "code": code.as_str() },
            }]
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the status and the challenge of the response to an error.
    fn challenge(error: HttpError) -> (u16, Option<String>) {
        let response = error.error_response();
        let challenge = response.headers().get(header::WWW_AUTHENTICATE);
        let challenge = challenge.map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), challenge)
    }

    #[test]
    fn an_invalid_token_is_challenged_with_an_error_code() {
        let challenged =
            (401, Some(r#"Bearer realm="coscribe", error="invalid_token""#.to_owned()));
        for error in TokenError::ALL.into_iter().filter(|error| *error != TokenError::NoKeys) {
            assert_eq!(challenge(IdentityError::Token(error).into()), challenged, "{error}");
        }
        assert_eq!(challenge(IdentityError::Unknown.into()), challenged);
    }

    #[test]
    fn a_request_without_a_bearer_token_is_challenged_without_an_error_code() {
        let challenged = (401, Some(r#"Bearer realm="coscribe""#.to_owned()));
        for error in [HttpError::NoToken, HttpError::Authorization] {
            assert_eq!(challenge(error), challenged);
        }
    }

    #[test]
    fn a_failed_lookup_of_an_account_is_not_challenged() {
        let unavailable = IdentityError::Store(StoreError::unavailable("no connection"));
        assert_eq!(challenge(unavailable.into()), (503, None));
        assert_eq!(challenge(IdentityError::Token(TokenError::NoKeys).into()), (503, None));
        let internal = IdentityError::Store(StoreError::internal("no such table"));
        assert_eq!(challenge(internal.into()), (500, None));
    }
}
