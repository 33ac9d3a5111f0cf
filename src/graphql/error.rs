//! What the errors of the parts mean to a GraphQL client: a code and safe words, each variant placed by hand.

use async_graphql::{Error, ErrorExtensionValues, ServerError};

use crate::{
    auth::PasswordError,
    domain::{InvalidInput, Version},
    room::{EditError, RoomError},
    session::Throttled,
    store::StoreError,
    wire::ErrorCode,
};

/// Why an operation was not carried out.
///
/// It has no `Display` of its own: words without a code must not reach a client by accident.
#[derive(Debug)]
pub enum ApiError {
    /// The operation needs a token and none was sent.
    NotSignedIn,
    /// Wrong address or wrong password; which of them is not said.
    WrongCredentials,
    /// Input that breaks a rule.
    Input(InvalidInput),
    /// Too much of something.
    Throttled(Throttled),
    /// Passwords could not be hashed or verified.
    Password(PasswordError),
    /// The store refused or failed.
    Store(StoreError),
    /// A change was refused, or may not have been stored.
    Edit(EditError),
    /// A seat could not be taken.
    Room(RoomError),
    /// The document is not open on the session that the cursor is to move on.
    NotOpenHere,
    /// A cursor over HTTP without a session to move it on.
    NoSessionNamed,
    /// The schema was built to be printed, not to be run.
    SchemaOnly,
}

impl ApiError {
    /// The code that the client gets as `extensions.code`.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotSignedIn | Self::WrongCredentials => ErrorCode::Unauthenticated,
            Self::Input(_) | Self::NotOpenHere | Self::NoSessionNamed => ErrorCode::BadUserInput,
            Self::Throttled(_) => ErrorCode::RateLimited,
            Self::Password(error) => match error {
                PasswordError::Invalid(_) => ErrorCode::BadUserInput,
                PasswordError::Busy => ErrorCode::Unavailable,
                PasswordError::Options(_)
                | PasswordError::Failed(_)
                | PasswordError::Aborted(_) => ErrorCode::Internal,
            },
            Self::Store(error) | Self::Edit(EditError::Store(error)) => store_code(error),
            Self::Edit(EditError::Busy | EditError::Unanswered) => ErrorCode::Unavailable,
            Self::Room(RoomError::SeatVoided) => ErrorCode::Forbidden,
            Self::Room(RoomError::Closed) => ErrorCode::Unavailable,
            Self::SchemaOnly => ErrorCode::Internal,
        }
    }

    /// What the client is told.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::NotSignedIn => {
                "Sign in first: send a token as `Authorization: Bearer <token>`.".to_owned()
            }
            Self::WrongCredentials => {
                "The e-mail address or the password is wrong. Check both and try again.".to_owned()
            }
            Self::Input(error) => error.to_string(),
            Self::Throttled(error) => error.to_string(),
            Self::Password(error) => error.to_string(),
            Self::Store(error) | Self::Edit(EditError::Store(error)) => error.to_string(),
            Self::Edit(EditError::Busy) => {
                "Too many changes of this document are waiting. Try again in a moment.".to_owned()
            }
            Self::Edit(EditError::Unanswered) => {
                "It is not known whether the change was stored. Load the document before you repeat it."
                    .to_owned()
            }
            Self::Room(RoomError::SeatVoided) => StoreError::Denied.to_string(),
            Self::Room(RoomError::Closed) => {
                "The document is being closed. Subscribe again.".to_owned()
            }
            Self::NotOpenHere => {
                "This session does not have the document open. Subscribe to the document first."
                    .to_owned()
            }
            Self::NoSessionNamed => {
                "A cursor belongs to a session. Name yours with the header X-Session-Id, or send the mutation over its socket."
                    .to_owned()
            }
            Self::SchemaOnly => "This schema can only be printed.".to_owned(),
        }
    }

    fn head(&self) -> Option<Version> {
        match self {
            Self::Store(error) | Self::Edit(EditError::Store(error)) => match error {
                StoreError::Conflict { head } | StoreError::BaseInFuture { head } => Some(*head),
                _ => None,
            },
            _ => None,
        }
    }

    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) | Self::Edit(EditError::Store(error)) => Some(error),
            Self::Password(error) => Some(error),
            _ => None,
        }
    }
}

fn store_code(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::Denied => ErrorCode::Forbidden,
        StoreError::NoSuchUser => ErrorCode::NotFound,
        StoreError::EmailTaken | StoreError::Conflict { .. } => ErrorCode::Conflict,
        StoreError::BaseInFuture { .. } | StoreError::OwnerKeepsAccess => ErrorCode::BadUserInput,
        StoreError::Unavailable(_) => ErrorCode::Unavailable,
        StoreError::Migration(_) | StoreError::Internal(_) => ErrorCode::Internal,
    }
}

/// The one place where what went wrong is logged: here its chain still exists.
impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        match (error.code(), error.source()) {
            (ErrorCode::Internal, Some(source)) => {
                tracing::error!(error = source, "an operation failed");
            }
            (ErrorCode::Unavailable, Some(source)) => {
                tracing::warn!(error = source, "an operation could not be carried out now");
            }
            _ => {}
        }
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", error.code().as_str());
        if let Some(head) = error.head() {
            extensions.set("head", head.number());
        }
        Self { message: error.message(), source: None, extensions: Some(extensions) }
    }
}

/// An error without a code comes from parsing, validation or an argument's type: the operation is wrong.
pub(super) fn with_code(mut error: ServerError) -> ServerError {
    let extensions = error.extensions.get_or_insert_default();
    if extensions.get("code").is_none() {
        extensions.set("code", ErrorCode::BadUserInput.as_str());
    }
    error
}

macro_rules! from {
    ($($source:ty => $variant:ident),* $(,)?) => {
        $(impl From<$source> for ApiError {
            fn from(error: $source) -> Self {
                Self::$variant(error)
            }
        })*
    };
}

from! {
    InvalidInput => Input,
    Throttled => Throttled,
    PasswordError => Password,
    StoreError => Store,
    EditError => Edit,
    RoomError => Room,
}
