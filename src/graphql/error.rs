//! What the errors of the parts mean to a GraphQL client: a code and safe words, each variant placed by hand.

use async_graphql::{Error, ErrorExtensionValues, ServerError};

use crate::{
    auth::PasswordError,
    domain::{InvalidInput, Version},
    editing::{EditError, LoadError},
    room::RoomError,
    roster::RosterUnavailable,
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
    /// A text could not be made.
    Text(LoadError),
    /// A seat could not be taken.
    Room(RoomError),
    /// Who is connected to other nodes is not known now.
    Roster(RosterUnavailable),
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
            Self::Edit(error) => edit_code(error),
            Self::Text(error) => text_code(error),
            Self::Room(RoomError::SeatVoided) => ErrorCode::Forbidden,
            Self::Room(RoomError::SinceInFuture { .. }) => ErrorCode::BadUserInput,
            Self::Room(RoomError::Closed | RoomError::Unavailable) | Self::Roster(_) => {
                ErrorCode::Unavailable
            }
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
            Self::Edit(error) => edit_message(error),
            Self::Text(error) => text_message(error),
            Self::Room(RoomError::SeatVoided) => StoreError::Denied.to_string(),
            Self::Room(RoomError::SinceInFuture { head }) => format!(
                "`since` is not there yet: the document is at version {head}. Use a version that you have seen."
            ),
            Self::Room(RoomError::Unavailable) => NOT_NOW.to_owned(),
            Self::Roster(_) => {
                "Sessions on other nodes cannot be reached at the moment. Try again in a moment.".to_owned()
            }
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
            Self::Edit(EditError::BaseTooOld { head } | EditError::BaseInFuture { head })
            | Self::Room(RoomError::SinceInFuture { head }) => Some(*head),
            _ => None,
        }
    }

    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) | Self::Edit(EditError::Store(error)) => Some(error),
            Self::Text(LoadError::Store(error)) => Some(error),
            Self::Text(error) | Self::Edit(EditError::Load(error)) => Some(error),
            Self::Password(error) => Some(error),
            _ => None,
        }
    }
}

fn store_code(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::Denied => ErrorCode::Forbidden,
        StoreError::NoSuchUser => ErrorCode::NotFound,
        StoreError::EmailTaken => ErrorCode::Conflict,
        StoreError::OwnerKeepsAccess => ErrorCode::BadUserInput,
        StoreError::Unavailable(_) => ErrorCode::Unavailable,
        StoreError::Migration(_) | StoreError::Internal(_) => ErrorCode::Internal,
    }
}

const NOT_NOW: &str = "The database is not available. Try again in a moment.";

fn edit_code(error: &EditError) -> ErrorCode {
    match error {
        EditError::Store(error) => store_code(error),
        EditError::Load(error) => text_code(error),
        EditError::Busy
        | EditError::Unreadable
        | EditError::Unanswered
        | EditError::Unknown
        | EditError::Overtaken => ErrorCode::Unavailable,
        EditError::TooMuchWork
        | EditError::DeltaMismatch(_)
        | EditError::Merge(_)
        | EditError::TooLarge { .. }
        | EditError::BaseInFuture { .. } => ErrorCode::BadUserInput,
        EditError::BaseTooOld { .. } | EditError::NameTaken => ErrorCode::Conflict,
    }
}

fn edit_message(error: &EditError) -> String {
    let text = match error {
        EditError::Store(error) => return error.to_string(),
        EditError::Load(error) => return text_message(error),
        EditError::DeltaMismatch(misfit) => return misfit.to_string(),
        EditError::TooLarge { size, limit } => {
            return format!(
                "The text would have {size} bytes; a document holds at most {limit}. Split it into several documents."
            );
        }
        EditError::Merge(error) => return error.to_string(),
        EditError::BaseTooOld { head } => {
            return format!(
                "Too much was changed since the base version, or it is no longer kept: the document is at version {head}. Load it and make the change again."
            );
        }
        EditError::BaseInFuture { head } => {
            return format!(
                "The base version is not there yet: the document is at version {head}. Use a version that exists."
            );
        }
        EditError::Busy => "Too many changes of this document are waiting. Try again in a moment.",
        EditError::Unreadable => NOT_NOW,
        EditError::Unanswered | EditError::Unknown => {
            "It is not known whether the change was stored. Repeat it with the same `mutationId`, or load the document first."
        }
        EditError::Overtaken => {
            "Others changed the document first each time. Try again in a moment."
        }
        EditError::TooMuchWork => {
            "Applying the change takes too long. Split it into smaller changes."
        }
        EditError::NameTaken => {
            "Another change had the same `mutationId`. Use a new one for each change."
        }
    };
    text.to_owned()
}

fn text_code(error: &LoadError) -> ErrorCode {
    match error {
        LoadError::NotKept => ErrorCode::Forbidden,
        LoadError::Store(error) => store_code(error),
        LoadError::Corrupt(_) | LoadError::Aborted => ErrorCode::Internal,
    }
}

fn text_message(error: &LoadError) -> String {
    match error {
        // It was there when the question was asked, and has been deleted since.
        LoadError::NotKept => StoreError::Denied.to_string(),
        LoadError::Store(error) => error.to_string(),
        LoadError::Corrupt(_) | LoadError::Aborted => {
            "Something went wrong. It has been logged.".to_owned()
        }
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
    LoadError => Text,
    RoomError => Room,
    RosterUnavailable => Roster,
}
