//! The codes that tell a client's program what went wrong.

/// `extensions.code` of a GraphQL error. Stable: programs decide by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// Nobody is signed in, or the token is not good.
    Unauthenticated,
    /// The caller may not do this; a document that is not there looks the same.
    Forbidden,
    /// What was named does not exist.
    NotFound,
    /// The input breaks a rule; the same input will break it again.
    BadUserInput,
    /// Somebody else was first.
    Conflict,
    /// Too often, or too much at once; later it will work.
    RateLimited,
    /// Not now; later it may work.
    Unavailable,
    /// A fault of the server.
    Internal,
}

impl ErrorCode {
    /// The code as it is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}
