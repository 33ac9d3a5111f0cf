//! The errors of the store.
//!
//! Result codes of the database drivers are mapped to [`StoreError`] here. A code that a retry may resolve (locked,
//! full, unreadable, no free connection) becomes [`StoreError::Unavailable`]. The method that runs a statement maps
//! the constraints that it can violate. Everything else is a fault of this program: [`StoreError::Internal`].

use std::{borrow::Cow, error::Error, sync::Arc};

use sea_orm::{DbErr, RuntimeErr, SqlxError, SqlxSqliteError, sqlx::error::DatabaseError};
use thiserror::Error;

use super::{GroupLimit, HandOverRefused, LinkRefused};
use crate::quota::QuotaExceeded;

/// The code with which PostgreSQL refuses a write while it is read-only.
const READ_ONLY: &str = "25006";

/// The cause of an error: for the log, never for a user.
type Cause = Arc<dyn Error + Send + Sync>;

/// Why the store could not carry out an operation. The text may be shown to users; the sources may not.
///
/// Clones share the cause, so one failure can be reported to every caller that it affects.
#[derive(Debug, Clone, Error)]
pub enum StoreError {
    /// Another account has this address.
    #[error(
        "An account with this e-mail address already exists. Sign in with it, or use another address."
    )]
    EmailTaken,
    /// No account has this id or e-mail address.
    #[error("There is no such user. Check the user's id or e-mail address.")]
    NoSuchUser,
    /// No access, too little access, or no such document: the caller cannot tell these apart.
    #[error("You may not do this with the document. Check its id, or ask its owner for access.")]
    Denied,
    /// Another document has the key.
    #[error("Another document has this key. Choose another one.")]
    KeyTaken,
    /// The owner's access to a document cannot be changed or revoked.
    #[error("The owner of a document always has full access. Name another user.")]
    OwnerKeepsAccess,
    /// The user accepts no documents of the caller.
    #[error("This user does not accept documents from you.")]
    Blocked,
    /// Access to the document was granted to too many addresses without an account.
    #[error(
        "Access to this document is granted to {} addresses that nobody has accepted it with. Revoke some of them first.",
        super::address_grants::MAX_ADDRESSES
    )]
    TooManyAddresses,
    /// The user blocks too many others.
    #[error("You block {} users. Unblock one first.", super::blocks::MAX_BLOCKED)]
    TooManyBlocked,
    /// Too many versions of the document have names.
    #[error(
        "{} versions of this document have names. Remove one of them with `unnameVersion` first.",
        super::named_versions::MAX_NAMED
    )]
    TooManyNamed,
    /// The caller neither has named the version nor owns the document.
    #[error(
        "Only the user who has named this version, and owners of the document, may change or remove its name. Ask one of them."
    )]
    NotNamer,
    /// Documents are not handed over, or an account is not deleted.
    #[error(transparent)]
    HandOver(#[from] HandOverRefused),
    /// A quota of a user is used up.
    #[error(transparent)]
    OverQuota(#[from] QuotaExceeded),
    /// A link could not be created or used.
    #[error(transparent)]
    Link(#[from] LinkRefused),
    /// A limit of groups is reached.
    #[error(transparent)]
    GroupLimit(#[from] GroupLimit),
    /// The caller had no turn in time, or too many of its reads or writes wait.
    #[error(
        "Too much waits for the database at the moment. Try again soon, and ask for less at once."
    )]
    Busy,
    /// The application that decides on access gave no valid answer.
    #[error("The application that decides on access gave no valid answer. Try again in a moment.")]
    NoAnswer,
    /// The database is unreachable, busy, full or read-only; a retry may succeed.
    #[error("The database is not available. Try again in a moment.")]
    Unavailable(#[source] Cause),
    /// A migration failed, or the database has one that this program does not know.
    #[error("The database schema could not be migrated. See the server's log for the cause.")]
    Migration(#[source] Cause),
    /// Any other failure: a fault of this program or of the data.
    #[error("The store failed with an internal error. See the server's log for the cause.")]
    Internal(#[source] Cause),
}

impl StoreError {
    /// Returns [`StoreError::Unavailable`] with this cause.
    pub(crate) fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into().into())
    }

    /// Returns [`StoreError::Internal`] with this cause.
    pub(crate) fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into().into())
    }

    /// Whether the transaction lost to another one: a lock that was not released in time, a deadlock, or a serialization
    /// failure. Nothing was stored, and a retry may succeed at once.
    pub(super) fn is_contention(&self) -> bool {
        const LOCK_NOT_AVAILABLE: &str = "55P03";
        const ROLLBACK: &str = "40";
        self.postgres_code()
            .is_some_and(|code| code == LOCK_NOT_AVAILABLE || code.starts_with(ROLLBACK))
    }

    /// Whether PostgreSQL refused a write because of a row with the same value in a unique column.
    pub(super) fn is_unique_violation(&self) -> bool {
        const UNIQUE_VIOLATION: &str = "23505";
        self.postgres_code().is_some_and(|code| code == UNIQUE_VIOLATION)
    }

    /// Whether PostgreSQL refused a write because it is read-only.
    pub(super) fn is_read_only(&self) -> bool {
        self.postgres_code().is_some_and(|code| code == READ_ONLY)
    }

    fn postgres_code(&self) -> Option<Cow<'_, str>> {
        let (Self::Unavailable(cause) | Self::Internal(cause)) = self else { return None };
        let cause: &(dyn Error + 'static) = &**cause;
        match driver_error(cause.downcast_ref()?)? {
            SqlxError::Database(error) if error.try_downcast_ref::<SqlxSqliteError>().is_none() => {
                error.code()
            }
            _ => None,
        }
    }

    /// Maps an error of a migration.
    pub(super) fn migration(error: DbErr) -> Self {
        if is_unavailable(&error) {
            Self::unavailable(error)
        } else {
            Self::Migration(Arc::new(error))
        }
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if is_unavailable(&error) { Self::unavailable(error) } else { Self::internal(error) }
    }
}

impl From<SqlxError> for StoreError {
    fn from(error: SqlxError) -> Self {
        Self::from(DbErr::Conn(RuntimeErr::SqlxError(error.into())))
    }
}

/// Returns the error of the driver, if the database or the connection to it caused this one.
fn driver_error(error: &DbErr) -> Option<&SqlxError> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// Whether no connection could be had from a pool in time.
pub(super) fn is_pool_timeout(error: &DbErr) -> bool {
    matches!(driver_error(error), Some(SqlxError::PoolTimedOut))
        || matches!(error, DbErr::ConnectionAcquire(_))
}

fn is_unavailable(error: &DbErr) -> bool {
    match driver_error(error) {
        Some(
            SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::Protocol(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed,
        ) => true,
        Some(SqlxError::Database(error)) => is_transient(error.as_ref()),
        Some(_) => false,
        None => matches!(error, DbErr::ConnectionAcquire(_)),
    }
}

/// Whether the error code describes the state of the database, not a fault of the statement.
fn is_transient(error: &dyn DatabaseError) -> bool {
    let code = error.code();
    match (code, error.try_downcast_ref::<SqlxSqliteError>()) {
        (Some(code), Some(_)) => code.parse().is_ok_and(is_transient_in_sqlite),
        (Some(code), None) => is_transient_in_postgres(&code),
        (None, _) => false,
    }
}

/// The low byte is the primary result code, and the other bytes refine it
/// (<https://www.sqlite.org/rescode.html>, section 2).
fn is_transient_in_sqlite(code: i32) -> bool {
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

/// The first two characters are the class of the error
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn is_transient_in_postgres(code: &str) -> bool {
    const CONNECTION: &str = "08";
    const ROLLBACK: &str = "40";
    const RESOURCES: &str = "53";
    const NOT_IN_STATE: &str = "55";
    const OPERATOR: &str = "57";
    const SYSTEM: &str = "58";
    const IDLE_IN_TRANSACTION: &str = "25P03";

    let class = code.get(..2).unwrap_or_default();
    [CONNECTION, ROLLBACK, RESOURCES, NOT_IN_STATE, OPERATOR, SYSTEM].contains(&class)
        || [READ_ONLY, IDLE_IN_TRANSACTION].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_keeps_the_cause_and_the_causes_of_the_cause() {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        let error = StoreError::from(SqlxError::Io(refused)).clone();

        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
        let mut last: &dyn Error = &error;
        while let Some(cause) = last.source() {
            last = cause;
        }
        assert_eq!(last.to_string(), "error communicating with database: connection refused");
    }
}
