//! Why the store could not do what it was asked.
//!
//! Drivers speak in result codes; here they become words of the domain. A code that says "not now"
//! (locked, full, unreadable, no free connection) is [`StoreError::Unavailable`]; a broken
//! constraint is named by the method that knows what it means; anything else is our own fault,
//! [`StoreError::Internal`].

use std::error::Error;

use sea_orm::{DbErr, RuntimeErr, SqlxError, SqlxSqliteError, sqlx::error::DatabaseError};
use thiserror::Error;

/// What lies beneath an error of the store; for the log, never for a user.
type Cause = Box<dyn Error + Send + Sync>;

/// Why the store could not do what it was asked. The text is safe to show; the sources are not.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another account has this address.
    #[error("An account with this e-mail address exists. Sign in with it, or use another address.")]
    EmailTaken,
    /// The user that was named does not exist.
    #[error("There is no such user. Check the user's id or e-mail address.")]
    NoSuchUser,
    /// No access, too little access, or no such document: a caller cannot tell these apart.
    #[error("You may not do this with the document. Check its id, or ask its owner for access.")]
    Denied,
    /// The document's owner was to be given another level, or none.
    #[error("A document's owner keeps full access. Name another user.")]
    OwnerKeepsAccess,
    /// The database cannot be reached, is busy, full or read-only; later it may work.
    #[error("The database is not available. Try again in a moment.")]
    Unavailable(#[source] Cause),
    /// The tables could not be brought to the asked state.
    #[error("The database's tables could not be changed. See the log for the cause.")]
    Migration(#[source] Cause),
    /// Anything else: a fault of this program or of the data.
    #[error("Something went wrong in the store. See the log for the cause.")]
    Internal(#[source] Cause),
}

impl Clone for StoreError {
    fn clone(&self) -> Self {
        self.again()
    }
}

impl StoreError {
    /// The same once more, for somebody else whom the same failure hit. Of the cause only the words are left.
    #[must_use]
    pub fn again(&self) -> Self {
        let words = |cause: &Cause| cause.to_string().into();
        match self {
            Self::EmailTaken => Self::EmailTaken,
            Self::NoSuchUser => Self::NoSuchUser,
            Self::Denied => Self::Denied,
            Self::OwnerKeepsAccess => Self::OwnerKeepsAccess,
            Self::Unavailable(cause) => Self::Unavailable(words(cause)),
            Self::Migration(cause) => Self::Migration(words(cause)),
            Self::Internal(cause) => Self::Internal(words(cause)),
        }
    }

    /// An error met while the tables were changed.
    pub(super) fn migration(error: DbErr) -> Self {
        if is_unavailable(&error) {
            Self::Unavailable(error.into())
        } else {
            Self::Migration(error.into())
        }
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if is_unavailable(&error) {
            Self::Unavailable(error.into())
        } else {
            Self::Internal(error.into())
        }
    }
}

impl From<SqlxError> for StoreError {
    fn from(error: SqlxError) -> Self {
        Self::from(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
    }
}

fn is_unavailable(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) => true,
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => match error.as_ref() {
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::Protocol(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed => true,
            SqlxError::Database(error) => is_not_now(error.as_ref()),
            _ => false,
        },
        _ => false,
    }
}

/// Whether the database's code says that it is not the statement that is wrong.
fn is_not_now(error: &dyn DatabaseError) -> bool {
    let code = error.code();
    match (code, error.try_downcast_ref::<SqlxSqliteError>()) {
        (Some(code), Some(_)) => code.parse().is_ok_and(is_not_now_for_sqlite),
        (Some(code), None) => is_not_now_for_postgres(&code),
        (None, _) => false,
    }
}

/// The low byte is the primary code, the others say more about it
/// (<https://www.sqlite.org/rescode.html>, section 2).
fn is_not_now_for_sqlite(code: i32) -> bool {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const NO_MEMORY: i32 = 7;
    const READ_ONLY: i32 = 8;
    const INTERRUPTED: i32 = 9;
    const IO: i32 = 10;
    const FULL: i32 = 13;
    const CANNOT_OPEN: i32 = 14;
    const LOCKING_PROTOCOL: i32 = 15;

    matches!(
        code & 0xff,
        BUSY | LOCKED
            | NO_MEMORY
            | READ_ONLY
            | INTERRUPTED
            | IO
            | FULL
            | CANNOT_OPEN
            | LOCKING_PROTOCOL
    )
}

/// The first two characters are the class
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn is_not_now_for_postgres(code: &str) -> bool {
    const CONNECTION: &str = "08";
    const ROLLED_BACK: &str = "40";
    const RESOURCES: &str = "53";
    const IN_USE: &str = "55";
    const OPERATOR: &str = "57";
    const SYSTEM: &str = "58";
    const READ_ONLY: &str = "25006";
    const IDLE_TOO_LONG: &str = "25P03";

    let class = code.get(..2).unwrap_or_default();
    [CONNECTION, ROLLED_BACK, RESOURCES, IN_USE, OPERATOR, SYSTEM].contains(&class)
        || [READ_ONLY, IDLE_TOO_LONG].contains(&code)
}
