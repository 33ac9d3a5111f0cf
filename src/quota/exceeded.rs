//! The refusal of what exceeds a quota.

use std::{fmt, time::Duration};

use thiserror::Error;

/// What a quota limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QuotaKind {
    /// The documents that a user owns.
    Documents,
    /// The bytes that the documents of an owner take with their change logs and snapshots.
    Bytes,
    /// The bytes that the changes of a user take, per hour.
    ChangeBytes,
    /// The documents that a user has open on this node.
    OpenDocuments,
    /// The grants of a user, per hour.
    Grants,
    /// The grants of a user to one other user, per hour.
    GrantsToUser,
}

impl QuotaKind {
    /// Returns the name of the quota, as in the field of `Usage` and in `extensions.quota`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Documents => "documents",
            Self::Bytes => "bytes",
            Self::ChangeBytes => "changeBytes",
            Self::OpenDocuments => "openDocuments",
            Self::Grants => "grants",
            Self::GrantsToUser => "grantsToUser",
        }
    }

    /// Whether it becomes free only when something is deleted.
    #[must_use]
    pub const fn is_storage(self) -> bool {
        match self {
            Self::Documents | Self::Bytes => true,
            Self::ChangeBytes | Self::OpenDocuments | Self::Grants | Self::GrantsToUser => false,
        }
    }
}

/// A quota is used up. The text may be shown to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub struct QuotaExceeded {
    /// The quota.
    pub kind: QuotaKind,
    /// How much of it is used.
    pub used: u64,
    /// How much of it there is.
    pub limit: u64,
    /// The time after which the same request may succeed. None if it may not before something is deleted or closed.
    pub retry_after: Option<Duration>,
}

impl QuotaExceeded {
    /// Returns the time after which the same request may succeed, in whole seconds.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after.map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0))
    }
}

impl fmt::Display for QuotaExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, used, limit, .. } = self;
        match kind {
            QuotaKind::Documents => write!(
                f,
                "You own {used} documents, and may own {limit}. Delete documents that you no longer need with `deleteDocument` and `purge`, then try again."
            )?,
            QuotaKind::Bytes => write!(
                f,
                "The storage of the document's owner is full: their documents take {used} bytes with their history, and \
                 may take {limit}. You can still make the text shorter. To store more, ask the owner to delete documents, \
                 or the history of documents (`deleteHistory`)."
            )?,
            QuotaKind::ChangeBytes => write!(
                f,
                "Your changes of the last hour take {used} bytes, and may take {limit} per hour."
            )?,
            QuotaKind::OpenDocuments => write!(
                f,
                "You have {used} documents open, and may have {limit}. Close some of them first."
            )?,
            QuotaKind::Grants => {
                write!(f, "You may grant access {limit} times per hour.")?;
            }
            QuotaKind::GrantsToUser => {
                write!(f, "You may grant access to one user {limit} times per hour.")?;
            }
        }
        match self.retry_after_seconds() {
            Some(seconds) => write!(f, " Try again in {seconds} s."),
            None => Ok(()),
        }
    }
}
