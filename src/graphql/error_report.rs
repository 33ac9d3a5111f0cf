//! What a client receives for the errors of each part: a code, and a message that is safe to show.
//!
//! As in [`super::error`], no `match` has a wildcard arm.

use std::borrow::Cow;

use super::merge_advice::merge_advice;
use crate::{
    auth::PasswordError,
    domain::{Exhausted, Version},
    editing::{EditError, HistoryError, LoadError},
    quota::QuotaExceeded,
    room::RoomError,
    store::{HandOverRefused, LinkRefused, StoreError},
    wire::ErrorCode,
};

/// What a client receives for an error.
pub(super) struct ErrorReport {
    pub(super) code: ErrorCode,
    pub(super) message: Cow<'static, str>,
    /// The head of the document, where the client needs it to correct its request.
    pub(super) head: Option<Version>,
    /// The quota that is used up.
    pub(super) quota: Option<QuotaExceeded>,
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
    pub(super) fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), head: None, quota: None }
    }

    pub(super) fn bad_input(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::BadUserInput, message)
    }

    fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    pub(super) fn unavailable(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Unavailable, message)
    }

    fn with_head(self, head: Version) -> Self {
        Self { head: Some(head), ..self }
    }
}

pub(super) fn report_password(error: &PasswordError) -> ErrorReport {
    let code = match error {
        PasswordError::Invalid(_) => ErrorCode::BadUserInput,
        PasswordError::Busy => ErrorCode::Unavailable,
        PasswordError::Options(_) | PasswordError::Failed(_) | PasswordError::Aborted(_) => {
            ErrorCode::Internal
        }
    };
    ErrorReport::new(code, error.to_string())
}

pub(super) fn report_store(error: &StoreError) -> ErrorReport {
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

pub(super) fn report_quota(exceeded: QuotaExceeded) -> ErrorReport {
    let code = match exceeded.kind.is_storage() {
        true => ErrorCode::QuotaExceeded,
        false => ErrorCode::RateLimited,
    };
    ErrorReport { quota: Some(exceeded), ..ErrorReport::new(code, exceeded.to_string()) }
}

pub(super) fn report_load(error: &LoadError) -> ErrorReport {
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

pub(super) fn report_history(error: &HistoryError) -> ErrorReport {
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

pub(super) fn report_room(error: RoomError) -> ErrorReport {
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

pub(super) fn report_edit(error: &EditError) -> ErrorReport {
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
            "The root type {name:?} has content at `baseVersion` that JSON does not show completely, or that cannot be compared with \
             the new content. Nothing was stored. Change it with an editor, or with `applyUpdate`."
        )),
        EditError::BodyMismatch(mismatch) => ErrorReport::bad_input(format!("{mismatch}.")),
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
