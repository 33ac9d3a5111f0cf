//! Maps the errors of the parts to GraphQL errors: a code, and a message that is safe to show.
//!
//! No `match` has a wildcard arm, also not over nested enums, so that a new error breaks the build here until it has a
//! code and a message. Errors are logged here, once, because only here their chain of causes still exists.

use std::error::Error;

use async_graphql::{Error as GraphqlError, ErrorExtensionValues};

use super::{
    answer::{AnswerRefused, CopiesTooLarge},
    error_report::{
        ErrorReport, INTERNAL, report_edit, report_history, report_load, report_password,
        report_quota, report_room, report_store,
    },
};
use crate::{
    auth::{PasswordError, TooManyFailures},
    domain::InvalidInput,
    editing::{EditError, HistoryError, LoadError},
    quota::QuotaExceeded,
    room::RoomError,
    roster::RosterUnavailable,
    session::Throttled,
    store::StoreError,
    wire::ErrorCode,
};

/// The reason why a field of an operation failed.
///
/// It has no `Display`, so that no message can reach a client without its code.
#[derive(Debug)]
pub enum ApiError {
    /// The operation requires a user, and the request has no token.
    NotSignedIn,
    /// The e-mail address or the password is wrong. The client does not learn which.
    WrongCredentials,
    /// Strangers may not create accounts.
    NoRegistration,
    /// Users have no passwords here.
    NoLocalAccounts,
    /// The sign-in has ended.
    SignInOver,
    /// An operator has blocked the account.
    Blocked,
    /// The account has no password.
    NoPassword,
    /// The current password is wrong.
    WrongPassword,
    /// The caller is not an application.
    NotAnApplication,
    /// An application decides who may open documents.
    ApplicationDecides,
    /// The caller's document is not in their bin.
    NotInBin,
    /// The document is in the caller's bin already.
    InBin,
    /// An outside issuer has issued the token that would be renewed.
    OutsideToken,
    /// The answer would become too large, or there is no memory for it.
    Answer(AnswerRefused),
    /// An event repeats its large fields too often.
    Copies(CopiesTooLarge),
    /// A value cannot be written as JSON, which is a bug.
    NotWritten(serde_json::Error),
    /// The input breaks a rule.
    Input(InvalidInput),
    /// A rate limit is exceeded.
    Throttled(Throttled),
    /// Too many attempts have failed.
    Attempts(TooManyFailures),
    /// A quota is used up.
    Quota(QuotaExceeded),
    /// A password could not be hashed or verified.
    Password(PasswordError),
    /// The store refused or failed.
    Store(StoreError),
    /// An edit was refused, or its outcome is unknown.
    Edit(EditError),
    /// A text could not be loaded.
    Load(LoadError),
    /// Versions could not be compared, or authors not found.
    History(HistoryError),
    /// The room refused a subscriber.
    Room(RoomError),
    /// Sessions on other nodes cannot be looked up.
    Roster(RosterUnavailable),
    /// The session whose cursor is to move does not have the document open.
    NotOpenHere,
    /// `updateCursor` over HTTP without `X-Session-Id`.
    NoSessionNamed,
    /// The schema was built to be printed and has no parts to run operations with.
    SchemaOnly,
}

impl ApiError {
    fn report(&self) -> ErrorReport {
        match self {
            Self::NotSignedIn => ErrorReport::new(
                ErrorCode::Unauthenticated,
                "This field requires a signed-in user. Send a token as `Authorization: Bearer \
                 <token>`.",
            ),
            Self::WrongCredentials => ErrorReport::new(
                ErrorCode::Unauthenticated,
                "The e-mail address or the password is wrong. Check both and try again.",
            ),
            Self::NoRegistration => ErrorReport::new(
                ErrorCode::Forbidden,
                "Only the operator of this server creates accounts. Ask them for one, or sign in with an identity provider \
                 that the server accepts.",
            ),
            Self::NoLocalAccounts => ErrorReport::new(
                ErrorCode::Forbidden,
                "Users of this server have no passwords. Sign in with an identity provider that the server accepts, and \
                 send its token.",
            ),
            Self::SignInOver => ErrorReport::new(
                ErrorCode::Unauthenticated,
                "Your sign-in has ended. Sign in again.",
            ),
            Self::Blocked => ErrorReport::new(
                ErrorCode::Forbidden,
                "Your account is blocked. Ask the operator of the server to unblock it.",
            ),
            Self::NoPassword => ErrorReport::new(
                ErrorCode::Forbidden,
                "Your account has no password. You sign in with an identity provider: change the password there.",
            ),
            Self::ApplicationDecides => ErrorReport::new(
                ErrorCode::Forbidden,
                "Documents of this server are shared in the application that it belongs to. Share the document there.",
            ),
            Self::NotInBin => ErrorReport::new(
                ErrorCode::Forbidden,
                "The document is not in your bin: nobody has deleted it, or it was brought back. `documents(filter: BIN)` shows what \
                 is there.",
            ),
            Self::InBin => ErrorReport::new(
                ErrorCode::Forbidden,
                "The document is in your bin already. Bring it back with `undelete`, or delete it for good with `purge`.",
            ),
            Self::NotAnApplication => ErrorReport::new(
                ErrorCode::Forbidden,
                "Only an application may do this. Send a token that it has signed for itself: its `sub` is the same as its \
                 `iss`.",
            ),
            Self::WrongPassword => {
                ErrorReport::bad_input("The current password is wrong. Check it and try again.")
            }
            Self::OutsideToken => ErrorReport::new(
                ErrorCode::Forbidden,
                "An identity provider issued your token. Get a new one from that provider.",
            ),
            Self::Answer(error) => ErrorReport::new(error.code(), error.to_string()),
            Self::Copies(error) => ErrorReport::bad_input(error.to_string()),
            Self::NotWritten(_) => ErrorReport::new(ErrorCode::Internal, INTERNAL),
            Self::Input(error) => ErrorReport::bad_input(error.to_string()),
            Self::Throttled(error) => ErrorReport::new(ErrorCode::RateLimited, error.to_string()),
            Self::Attempts(error) => ErrorReport::new(ErrorCode::RateLimited, error.to_string()),
            Self::Quota(exceeded) => report_quota(*exceeded),
            Self::Password(error) => report_password(error),
            Self::Store(error) => report_store(error),
            Self::Edit(error) => report_edit(error),
            Self::Load(error) => report_load(error),
            Self::History(error) => report_history(error),
            Self::Room(error) => report_room(*error),
            Self::Roster(_) => ErrorReport::unavailable(
                "Sessions on other nodes cannot be looked up at the moment. Try again in a moment.",
            ),
            Self::NotOpenHere => ErrorReport::bad_input(
                "This session does not have the document open. Subscribe to the document first.",
            ),
            Self::NoSessionNamed => ErrorReport::bad_input(
                "A cursor belongs to a session. Send the header X-Session-Id, or send the mutation over \
                 the session's socket.",
            ),
            Self::SchemaOnly => ErrorReport::new(
                ErrorCode::Internal,
                "This schema can only be printed. Start the server to run operations.",
            ),
        }
    }

    /// Returns the error whose chain of causes belongs in the log.
    fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Anybody can cause it.
            Self::Password(PasswordError::Busy | PasswordError::Invalid(_)) => None,
            Self::Load(LoadError::Busy | LoadError::TooHeavy(_))
            | Self::History(HistoryError::Load(LoadError::Busy | LoadError::TooHeavy(_)))
            | Self::History(HistoryError::Load(LoadError::Store(StoreError::Busy)))
            | Self::Edit(EditError::Load(LoadError::Busy | LoadError::TooHeavy(_)))
            | Self::Store(StoreError::Busy | StoreError::NoAnswer)
            | Self::Load(LoadError::Store(StoreError::Busy))
            | Self::Edit(EditError::Load(LoadError::Store(StoreError::Busy))) => None,
            Self::Store(error) | Self::Edit(EditError::Store(error)) => Some(error),
            Self::Load(error)
            | Self::History(HistoryError::Load(error))
            | Self::Edit(EditError::Load(error)) => Some(load_cause(error)),
            Self::Password(error) => Some(error),
            Self::NotWritten(error) => Some(error),
            // The others have no cause: each describes itself completely.
            Self::Edit(
                EditError::DeltaMismatch(_)
                | EditError::Merge(_)
                | EditError::TooLarge { .. }
                | EditError::TooManyStructs { .. }
                | EditError::TooMuchWork
                | EditError::Unrestorable { .. }
                | EditError::Irreplaceable { .. }
                | EditError::BodyMismatch(_)
                | EditError::OtherBody { .. }
                | EditError::TooMuchToRestore
                | EditError::OtherHistory
                | EditError::BaseTooOld { .. }
                | EditError::BaseInFuture { .. }
                | EditError::NameTaken
                | EditError::Busy
                | EditError::Unreadable
                | EditError::Unanswered
                | EditError::Unknown
                | EditError::Overtaken,
            )
            | Self::History(HistoryError::TooMuchWork(_))
            | Self::NotSignedIn
            | Self::WrongCredentials
            | Self::NoRegistration
            | Self::NoLocalAccounts
            | Self::OutsideToken
            | Self::SignInOver
            | Self::Blocked
            | Self::NoPassword
            | Self::NotAnApplication
            | Self::ApplicationDecides
            | Self::NotInBin
            | Self::InBin
            | Self::WrongPassword
            | Self::Answer(_)
            | Self::Copies(_)
            | Self::Input(_)
            | Self::Throttled(_)
            | Self::Attempts(_)
            | Self::Quota(_)
            | Self::Room(_)
            | Self::Roster(_)
            | Self::NotOpenHere
            | Self::NoSessionNamed
            | Self::SchemaOnly => None,
        }
    }

    /// Logs what an operator has to know: faults, and parts that are temporarily unavailable.
    fn log(&self, code: ErrorCode) {
        let Some(cause) = self.cause() else { return };
        match code {
            ErrorCode::Internal => tracing::error!(error = cause, "an operation failed"),
            ErrorCode::Unavailable | ErrorCode::Unknown => {
                tracing::warn!(error = cause, "an operation is temporarily impossible");
            }
            ErrorCode::Unauthenticated
            | ErrorCode::Forbidden
            | ErrorCode::NotFound
            | ErrorCode::PersistedQueryNotSupported
            | ErrorCode::BadUserInput
            | ErrorCode::Conflict
            | ErrorCode::RateLimited
            | ErrorCode::QuotaExceeded => {}
        }
    }
}

fn load_cause(error: &LoadError) -> &(dyn Error + 'static) {
    match error {
        LoadError::Store(error) => error,
        LoadError::NotKept
        | LoadError::Corrupt(_)
        | LoadError::Aborted
        | LoadError::Busy
        | LoadError::TooHeavy(_) => error,
    }
}

impl From<ApiError> for GraphqlError {
    fn from(error: ApiError) -> Self {
        let ErrorReport { code, message, head, quota } = error.report();
        error.log(code);
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", code.as_str());
        if let Some(head) = head {
            extensions.set("head", head.number());
        }
        if let Some(exceeded) = quota {
            extensions.set("quota", exceeded.kind.as_str());
            extensions.set("used", exceeded.used);
            extensions.set("limit", exceeded.limit);
            if let Some(seconds) = exceeded.retry_after_seconds() {
                extensions.set("retryAfter", seconds);
            }
        }
        Self { message: message.into_owned(), source: None, extensions: Some(extensions) }
    }
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
    AnswerRefused => Answer,
    CopiesTooLarge => Copies,
    serde_json::Error => NotWritten,
    InvalidInput => Input,
    Throttled => Throttled,
    TooManyFailures => Attempts,
    PasswordError => Password,
    StoreError => Store,
    EditError => Edit,
    LoadError => Load,
    HistoryError => History,
    RoomError => Room,
    QuotaExceeded => Quota,
    RosterUnavailable => Roster,
}
