//! What goes wrong before an operation is run: a status, a code and safe words, each variant placed by hand.

use std::time::Duration;

use actix_web::{
    HttpResponse, ResponseError,
    http::{StatusCode, header},
};

use crate::{
    roster::RosterUnavailable,
    session::{IdentityError, Throttled},
    store::StoreError,
    wire::ErrorCode,
};

/// Why a request was not let in.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The `Authorization` header is not a bearer token.
    #[error("The Authorization header is not understood. Write it as `Bearer <token>`.")]
    Authorization,
    /// Nobody could be made out from the token.
    #[error("{}", identity_text(.0))]
    Identity(#[from] IdentityError),
    /// `X-Session-Id` is no identifier, or names a session that is not open.
    #[error(
        "X-Session-Id does not name an open session. Use the sessionId of the connection_ack, while the socket is open."
    )]
    UnknownSession,
    /// `X-Session-Id` names somebody else's session.
    #[error("X-Session-Id names another user's session. Use the sessionId of your own socket.")]
    ForeignSession,
    /// `X-Session-Id` may name a session on another node, of which nothing is known now.
    #[error(
        "X-Session-Id cannot be looked up at the moment. Try again in a moment, or leave it out."
    )]
    Roster(#[from] RosterUnavailable),
    /// An editor's upgrade without a token.
    #[error("There is no token. Connect to this address with `?token=<token>`.")]
    NoToken,
    /// A request to the address of editors' sockets that is no upgrade.
    #[error("This address is for Yjs editors. Connect a y-websocket provider to it.")]
    NeedsEditor,
    /// An editor's upgrade to something that is no document.
    #[error("The address names no document. Connect to /sync/<documentId>.")]
    NoDocument,
    /// A page from an origin that is not let in.
    #[error(
        "Pages from this origin may not use the server. Its operator can let them in with `server.allowed_origins`."
    )]
    Origin,
    /// No WebSocket handshake, or one that cannot be accepted.
    #[error("This is no WebSocket handshake that can be accepted: {0}.")]
    Handshake(String),
    /// The body is larger than a request may be.
    #[error("The request has more than {limit} bytes. Send less.")]
    TooLarge {
        /// How many bytes are allowed.
        limit: usize,
    },
    /// The body took longer than a request may take.
    #[error("The request did not arrive within {within:?}. Send it again, or send less at a time.")]
    TooSlow {
        /// How long a body may take.
        within: Duration,
    },
    /// A body that is not JSON.
    #[error("The content type is not understood. Send `Content-Type: application/json`.")]
    ContentType,
    /// A client that accepts no JSON.
    #[error("Answers are JSON. Accept `application/graphql-response+json` or `application/json`.")]
    NotAcceptable,
    /// A body or query string that is no GraphQL request.
    #[error("The request is not a GraphQL request: {0}.")]
    Malformed(String),
    /// A mutation or subscription by `GET`.
    #[error(
        "By GET there are only queries. Send mutations by POST and subscriptions over a WebSocket."
    )]
    OnlyQueries,
    /// A subscription by `POST`.
    #[error(
        "A subscription needs a WebSocket. Connect to this address with the subprotocol graphql-transport-ws."
    )]
    NeedsSocket,
    /// A method that GraphQL over HTTP does not know.
    #[error("GraphQL is asked by POST or GET.")]
    Method,
    /// A method that is none of HTTP's usual ones.
    #[error("The method of the request is not known here. GraphQL is asked by POST or GET.")]
    UnknownMethod,
    /// Somebody asks too often.
    #[error(transparent)]
    Throttled(#[from] Throttled),
    /// The node is going down.
    #[error("The server is restarting. Connect again in a moment.")]
    Draining,
}

fn identity_text(error: &IdentityError) -> String {
    match error {
        IdentityError::Token(error) => error.to_string(),
        IdentityError::Unknown => {
            "The token is valid, but its user has no account here. Register first.".to_owned()
        }
        IdentityError::Store(error) => error.to_string(),
    }
}

impl HttpError {
    /// The code that the client gets as `extensions.code`.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Authorization
            | Self::NoToken
            | Self::Identity(IdentityError::Token(_) | IdentityError::Unknown) => {
                ErrorCode::Unauthenticated
            }
            Self::Identity(IdentityError::Store(error)) => match error {
                StoreError::Unavailable(_) => ErrorCode::Unavailable,
                _ => ErrorCode::Internal,
            },
            Self::ForeignSession | Self::Origin => ErrorCode::Forbidden,
            Self::UnknownSession
            | Self::NoDocument
            | Self::NeedsEditor
            | Self::Handshake(_)
            | Self::TooLarge { .. }
            | Self::TooSlow { .. }
            | Self::ContentType
            | Self::NotAcceptable
            | Self::Malformed(_)
            | Self::OnlyQueries
            | Self::NeedsSocket
            | Self::Method
            | Self::UnknownMethod => ErrorCode::BadUserInput,
            Self::Throttled(_) => ErrorCode::RateLimited,
            Self::Draining | Self::Roster(_) => ErrorCode::Unavailable,
        }
    }
}

impl ResponseError for HttpError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Authorization
            | Self::NoToken
            | Self::Identity(IdentityError::Token(_) | IdentityError::Unknown) => {
                StatusCode::UNAUTHORIZED
            }
            Self::Identity(IdentityError::Store(error)) => match error {
                StoreError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::ForeignSession | Self::Origin => StatusCode::FORBIDDEN,
            Self::UnknownSession
            | Self::NoDocument
            | Self::NeedsEditor
            | Self::Malformed(_)
            | Self::Handshake(_)
            | Self::NeedsSocket => StatusCode::BAD_REQUEST,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::OnlyQueries | Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::UnknownMethod => StatusCode::NOT_IMPLEMENTED,
            Self::Throttled(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Draining | Self::Roster(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Identity(IdentityError::Store(error)) = self {
            tracing::error!(error = error as &dyn std::error::Error, "nobody could be made out");
        }
        let mut response = HttpResponse::build(self.status_code());
        match self {
            // RFC 6750, section 3.
            Self::Authorization | Self::NoToken | Self::Identity(_) => {
                let challenge = r#"Bearer realm="coscribe", error="invalid_token""#;
                response.insert_header((header::WWW_AUTHENTICATE, challenge));
            }
            // RFC 6455, section 4.4.
            Self::Handshake(_) => {
                response.insert_header((header::SEC_WEBSOCKET_VERSION, "13"));
            }
            Self::OnlyQueries => {
                response.insert_header((header::ALLOW, "POST"));
            }
            Self::Method => {
                response.insert_header((header::ALLOW, "GET, POST"));
            }
            _ => {}
        }
        response.json(serde_json::json!({
            "errors": [{
                "message": self.to_string(),
                "extensions": { "code": self.code().as_str() },
            }]
        }))
    }
}
