//! What users may do within an hour: granting access.

use tokio::time::Instant;

use crate::{
    domain::UserId,
    quota::{AllowanceUse, HourlyAllowance, QuotaExceeded, QuotaKind},
    session::Limits,
};

/// The allowances of this node.
pub struct HourlyAllowances {
    grants: HourlyAllowance<UserId>,
    /// By the granting user and the user who is granted access.
    grants_to_user: HourlyAllowance<(UserId, UserId)>,
}

impl HourlyAllowances {
    /// Returns allowances of which nothing is used.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            grants: HourlyAllowance::new(QuotaKind::Grants, limits.grants_per_hour.into()),
            grants_to_user: HourlyAllowance::new(
                QuotaKind::GrantsToUser,
                limits.grants_to_user_per_hour.into(),
            ),
        }
    }

    /// Uses one of the grants of a user. Called before a target is looked up by e-mail address, so that trying addresses
    /// counts as well.
    ///
    /// # Errors
    /// [`QuotaExceeded`] if none is left.
    pub(super) fn take_grant(&self, granter: UserId) -> Result<(), QuotaExceeded> {
        self.grants.take(&granter, Instant::now())
    }

    /// Uses one of the grants of a user to another user.
    ///
    /// # Errors
    /// [`QuotaExceeded`] if none is left.
    pub(super) fn take_grant_to(
        &self,
        granter: UserId,
        target: UserId,
    ) -> Result<(), QuotaExceeded> {
        self.grants_to_user.take(&(granter, target), Instant::now())
    }

    /// Returns how many of their grants a user has used.
    pub(super) fn grants_used(&self, user: UserId) -> AllowanceUse {
        self.grants.used(&user, Instant::now())
    }
}
