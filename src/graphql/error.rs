//! Maps the errors of the parts to GraphQL errors: a code, and a message that is safe to show.
//!
//! No `match` has a wildcard arm, also not over nested enums, so that a new error breaks the build here until it has a
//! code and a message. Errors are logged here, once, because only here their chain of causes still exists.

use std::{borrow::Cow, error::Error};

use async_graphql::{Error as GraphqlError, ErrorExtensionValues};

use super::{
    answer::{AnswerRefused, CopiesTooLarge},
    merge_advice::merge_advice,
};
use crate::{
    auth::{PasswordError, TooManyFailures},
    domain::{Exhausted, InvalidInput, Version},
    editing::{EditError, HistoryError, LoadError},
    quota::QuotaExceeded,
    room::RoomError,
    roster::RosterUnavailable,
    session::Throttled,
    store::{HandOverRefused, LinkRefused, StoreError},
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

/// What a client receives for an error.
struct ErrorReport {
    code: ErrorCode,
    message: Cow<'static, str>,
    /// The head of the document, where the client needs it to correct its request.
    head: Option<Version>,
    /// The quota that is used up.
    quota: Option<QuotaExceeded>,
}

/// The message after a fault of the server.
pub(super) const INTERNAL: &str =
    "The server failed to process the operation and has logged the cause. Try again later.";

/// The message when the database does not respond.
const DATABASE_DOWN: &str = "The database is not available. Try again in a moment.";

/// The message when too many large texts are being loaded.
const TOO_MANY_TEXTS: &str =
    "The server is reading too much at the moment. Try again soon, and read less at once.";

impl ErrorReport {
    fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), head: None, quota: None }
    }

    fn bad_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::BadUserInput, message)
    }

    fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    fn with_head(self, head: Version) -> Self {
        Self { head: Some(head), ..self }
    }
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

fn report_password(error: &PasswordError) -> ErrorReport {
    let code = match error {
        PasswordError::Invalid(_) => ErrorCode::BadUserInput,
        PasswordError::Busy => ErrorCode::Unavailable,
        PasswordError::Options(_) | PasswordError::Failed(_) | PasswordError::Aborted(_) => {
            ErrorCode::Internal
        }
    };
    ErrorReport::new(code, error.to_string())
}

fn report_store(error: &StoreError) -> ErrorReport {
    let code = match error {
        StoreError::OverQuota(exceeded) => return report_quota(*exceeded),
        StoreError::Denied => ErrorCode::Forbidden,
        StoreError::NoSuchUser => ErrorCode::NotFound,
        StoreError::EmailTaken
        | StoreError::KeyTaken
        | StoreError::GroupLimit(_)
        | StoreError::TooManyNamed
        | StoreError::TooManyBlocked
        | StoreError::TooManyAddresses => ErrorCode::Conflict,
        StoreError::Blocked | StoreError::NotNamer => ErrorCode::Forbidden,
        StoreError::Link(refused) => match refused {
            LinkRefused::Unknown => ErrorCode::NotFound,
            LinkRefused::TooMany | LinkRefused::AlreadyPublic => ErrorCode::Conflict,
            LinkRefused::NoMoreGuests | LinkRefused::NotForGuests => ErrorCode::Forbidden,
            LinkRefused::TargetIsGuest => ErrorCode::BadUserInput,
        },
        StoreError::OwnerKeepsAccess => ErrorCode::BadUserInput,
        StoreError::HandOver(refused) => match refused {
            HandOverRefused::NotOwner => ErrorCode::Forbidden,
            HandOverRefused::OwnsAlready
            | HandOverRefused::NoGrant
            | HandOverRefused::GrantsMissing { .. } => ErrorCode::BadUserInput,
            // Without the numbers, which only the receiver may know.
            HandOverRefused::OverQuota(_) => ErrorCode::QuotaExceeded,
            HandOverRefused::BeingDeleted | HandOverRefused::IsReceiver => ErrorCode::Conflict,
        },
        StoreError::Busy | StoreError::NoAnswer | StoreError::Unavailable(_) => {
            ErrorCode::Unavailable
        }
        StoreError::Migration(_) | StoreError::Internal(_) => ErrorCode::Internal,
    };
    ErrorReport::new(code, error.to_string())
}

fn report_quota(exceeded: QuotaExceeded) -> ErrorReport {
    let code = match exceeded.kind.is_storage() {
        true => ErrorCode::QuotaExceeded,
        false => ErrorCode::RateLimited,
    };
    ErrorReport { quota: Some(exceeded), ..ErrorReport::new(code, exceeded.to_string()) }
}

fn report_load(error: &LoadError) -> ErrorReport {
    match error {
        // The document existed when access was checked and has been deleted since.
        LoadError::NotKept => report_store(&StoreError::Denied),
        LoadError::Store(error) => report_store(error),
        LoadError::Corrupt(_) | LoadError::Aborted => {
            ErrorReport::new(ErrorCode::Internal, INTERNAL)
        }
        LoadError::Busy => ErrorReport::unavailable(TOO_MANY_TEXTS),
        LoadError::TooHeavy(cause) => ErrorReport::unavailable(format!(
            "The document cannot be opened: {cause}. Ask the operator of the server to compact it."
        )),
    }
}

fn report_history(error: &HistoryError) -> ErrorReport {
    match error {
        HistoryError::Load(LoadError::NotKept) => ErrorReport::bad_input(
            "A version is no longer kept. Query `documentHistory` for the versions that are.",
        ),
        HistoryError::Load(error) => report_load(error),
        HistoryError::TooMuchWork(Exhausted::Steps) => ErrorReport::bad_input(
            "The versions have too many parts, or the history of the document too many changes. Read the versions with \
             `documentAt`.",
        ),
        HistoryError::TooMuchWork(Exhausted::Stopped) => ErrorReport::unavailable(
            "The history of the document is too long to be read in time. Try again later, or read versions with `documentAt`.",
        ),
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

fn report_room(error: RoomError) -> ErrorReport {
    match error {
        RoomError::SeatVoided => report_store(&StoreError::Denied),
        RoomError::SinceInFuture { head } => ErrorReport::bad_input(format!(
            "`since` is above version {head}, the newest of the document. Use the last version that \
             you have applied."
        ))
        .with_head(head),
        RoomError::TooManyAudiences { max } => ErrorReport::new(
            ErrorCode::RateLimited,
            format!(
                "You subscribe to this document with {max} different operations of this kind. Use the same operation and \
                 variables in all tabs, or complete a subscription first."
            ),
        ),
        RoomError::TooManyOpen(exceeded) => report_quota(exceeded),
        RoomError::Closed => ErrorReport::unavailable("The document is closing. Subscribe again."),
        RoomError::Unavailable => ErrorReport::unavailable(DATABASE_DOWN),
    }
}

fn report_edit(error: &EditError) -> ErrorReport {
    match error {
        EditError::Store(error) => report_store(error),
        EditError::Load(LoadError::NotKept) => ErrorReport::unavailable(
            "The text of the document could not be read completely. Try again in a moment.",
        ),
        EditError::Load(error) => report_load(error),
        EditError::DeltaMismatch(error) => ErrorReport::bad_input(error.to_string()),
        EditError::Merge(error) => ErrorReport::bad_input(merge_advice(error)),
        EditError::TooLarge { size, limit } => ErrorReport::bad_input(format!(
            "The text would have {size} bytes; a document holds at most {limit}. Split it into \
             several documents."
        )),
        EditError::TooManyStructs { limit } => ErrorReport::bad_input(format!(
            "The document has {limit} structs, the most that it may have: insertions and deletions at different places. Copy \
             its text to a new document, or ask the operator of the server to compact it."
        )),
        EditError::TooMuchWork => ErrorReport::bad_input(
            "Merging the edit takes too many steps. Split it into smaller edits.",
        ),
        EditError::Unrestorable { name } => ErrorReport::bad_input(format!(
            "The root type {name:?} has content that cannot be brought back, at this version or now. Nothing was restored. Read \
             the version with `documentAt`, and write what you need again."
        )),
        EditError::Irreplaceable { name } => ErrorReport::bad_input(format!(
            "The root type {name:?} has content at `baseVersion` that cannot be compared with the new content. Nothing was \
             stored. Change it with an editor, or with `applyUpdate`."
        )),
        EditError::OtherBody { root } => ErrorReport::bad_input(format!(
            "The text of this document is in the root type {root:?}, which texts and deltas cannot change. Nothing was stored. Use \
             `replaceBody` or `applyUpdate`."
        )),
        EditError::TooMuchToRestore => ErrorReport::bad_input(
            "The version has too many parts, or differs too much, to be restored or taken back at once. Nothing was changed. Read \
             it with `documentAt`, and write what you need again.",
        ),
        EditError::OtherHistory => ErrorReport::bad_input(
            "The document was compacted since these changes were made, so they cannot be taken back. Read the version before them \
             with `documentAt`, and write what you need again, or restore it.",
        ),
        EditError::BaseInFuture { head } => ErrorReport::bad_input(format!(
            "`baseVersion` is above version {head}, the newest of the document. Use the version \
             that the edit is based on."
        ))
        .with_head(*head),
        EditError::BaseTooOld { head } => ErrorReport::conflict(format!(
            "Too much has changed since `baseVersion`, or that version is no longer kept. Load the \
             document, which is at version {head}, and make the edit again."
        ))
        .with_head(*head),
        EditError::NameTaken => ErrorReport::conflict(
            "A different edit has used this `mutationId`. Use a new one for each edit.",
        ),
        EditError::Busy => ErrorReport::unavailable(
            "The server is too busy to apply the edit. Try again in a moment.",
        ),
        EditError::Unreadable => ErrorReport::unavailable(DATABASE_DOWN),
        EditError::Unanswered | EditError::Unknown => ErrorReport::new(
            ErrorCode::Unknown,
            "It is not known whether the edit was stored. Send it again with the same \
             `mutationId`, or load the document first.",
        ),
        EditError::Overtaken => ErrorReport::unavailable(
            "The edit was not stored, because others kept changing the document first. Try again \
             in a moment.",
        ),
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
