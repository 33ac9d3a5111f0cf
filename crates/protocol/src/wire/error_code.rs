//! The codes of GraphQL errors.

/// The `extensions.code` of a GraphQL error. The codes are stable, since programs decide by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// No token, an invalid token, or a wrong e-mail address or password.
    Unauthenticated,
    /// The caller lacks the required access. A document that does not exist looks the same.
    Forbidden,
    /// The named user does not exist.
    NotFound,
    /// The input breaks a rule. A retry fails in the same way.
    BadUserInput,
    /// The request conflicts with the stored state, such as an edit whose base version is too old.
    Conflict,
    /// Too many requests, or too many at once. A later retry succeeds.
    RateLimited,
    /// A quota of storage is used up. A retry succeeds after something was deleted.
    QuotaExceeded,
    /// Temporarily impossible. A later retry may succeed.
    Unavailable,
    /// It is not known whether the edit was stored. Repeating it with the same `mutationId` stores it once.
    Unknown,
    /// The operation names a persisted query instead of sending one. A retry with its text succeeds.
    PersistedQueryNotSupported,
    /// A fault in the server.
    Internal,
}

impl ErrorCode {
    /// Returns the code as sent to clients.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::Conflict => "CONFLICT",
            Self::RateLimited => "RATE_LIMITED",
            Self::QuotaExceeded => "QUOTA_EXCEEDED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unknown => "UNKNOWN",
            Self::PersistedQueryNotSupported => "PERSISTED_QUERY_NOT_SUPPORTED",
            Self::Internal => "INTERNAL",
        }
    }
}
