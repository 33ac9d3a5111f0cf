//! Why tokens are rejected.

use thiserror::Error;

/// Why a token is rejected. The texts contain nothing of the token, so clients may see them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// It is not a token, it is too long, or a claim has the wrong type.
    #[error("The token is not a valid JWT. Send it exactly as it was issued.")]
    Malformed,
    /// Its type is not that of a token that identifies a user.
    #[error("The token has another purpose. Send an access token or an ID token.")]
    WrongType,
    /// Its header names an algorithm that its issuer may not use, such as `none`.
    #[error(
        "The token is signed with an algorithm that this server does not accept from its issuer. Use HS256 for tokens \
         with this server's secret, and RS256, ES256 or EdDSA for those of an identity provider."
    )]
    WrongAlgorithm,
    /// It was signed with another key, or changed after signing.
    #[error("The signature of the token is invalid. Sign in again.")]
    BadSignature,
    /// Its issuer does not publish the key that it names.
    #[error("The token is signed with a key that its issuer does not publish. Sign in again.")]
    UnknownKey,
    /// It has expired.
    #[error("The token has expired. Sign in again.")]
    Expired,
    /// It is not valid yet, or it was issued in the future.
    #[error("The token is not valid yet. Check the clock of the machine that issued it.")]
    NotYetValid,
    /// It is for another audience, or names none.
    #[error("The token is for another audience. Request one for this server.")]
    WrongAudience,
    /// Another issuer made it, or it names none.
    #[error(
        "The token is from an issuer that this server does not accept. Sign in with this server, or with an identity \
         provider that it accepts."
    )]
    WrongIssuer,
    /// Its `sub` is not a user id, or, from an identity provider, not a text of the right length.
    #[error(
        "The token does not name a user. Request one whose `sub` is a UUID or, from an identity provider, has 1 to 255 \
         characters."
    )]
    BadSubject,
    /// It is a document token without an id.
    #[error("The token has no id. Request one whose `jti` claim has 1 to 255 characters.")]
    NoTokenId,
    /// It is a document token, and what it grants cannot be read.
    #[error(
        "The `documents` claim of the token is not valid. Request one with an object of at most 100 document ids or keys, each with \
         \"VIEW\", \"EDIT\" or \"OWNER\"."
    )]
    BadDocuments,
    /// It is a document token that is valid for too long, or does not say when it was issued.
    #[error(
        "The token is valid for too long, or has no `iat` claim. Request one with an `iat` claim and an earlier `exp`: the \
         server's setting auth.document_token_life limits the time between them."
    )]
    LivesTooLong,
    /// It has no expiry.
    #[error("The token has no expiry. Request one with an `exp` claim.")]
    NoExpiry,
    /// Its sign-in has reached its end, so it is not renewed.
    #[error("The sign-in has reached its end. Sign in again.")]
    SignInOver,
    /// The keys of its issuer cannot be fetched, so it is not known whether it is valid.
    #[error(
        "The keys of the token's issuer cannot be fetched at the moment. Try again in a moment."
    )]
    NoKeys,
}

impl TokenError {
    /// All errors, for lists of their labels.
    pub const ALL: [Self; 16] = [
        Self::Malformed,
        Self::WrongType,
        Self::WrongAlgorithm,
        Self::BadSignature,
        Self::UnknownKey,
        Self::Expired,
        Self::NotYetValid,
        Self::WrongAudience,
        Self::WrongIssuer,
        Self::BadSubject,
        Self::NoTokenId,
        Self::BadDocuments,
        Self::LivesTooLong,
        Self::NoExpiry,
        Self::SignInOver,
        Self::NoKeys,
    ];

    /// Returns the label of the error in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::WrongType => "wrong_type",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::BadSignature => "bad_signature",
            Self::UnknownKey => "unknown_key",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::WrongIssuer => "wrong_issuer",
            Self::BadSubject => "bad_subject",
            Self::NoTokenId => "no_token_id",
            Self::BadDocuments => "bad_documents",
            Self::LivesTooLong => "lives_too_long",
            Self::NoExpiry => "no_expiry",
            Self::SignInOver => "sign_in_over",
            Self::NoKeys => "no_keys",
        }
    }
}
