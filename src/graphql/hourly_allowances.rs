//! What users may do within an hour: granting access.

use tokio::time::Instant;

use crate::{
    domain::{Email, UserId},
    quota::{AllowanceUse, HourlyAllowance, QuotaExceeded, QuotaKind},
    session::Limits,
};

/// The allowances of this node.
pub struct HourlyAllowances {
    grants: HourlyAllowance<UserId>,
    /// By the granting user and the user who is granted access.
    grants_to_user: HourlyAllowance<(UserId, UserId)>,
    /// By the granting user and the address that is granted access.
    grants_to_address: HourlyAllowance<(UserId, String)>,
}

impl HourlyAllowances {
    /// Returns allowances of which nothing is used.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        let to_one = u64::from(limits.grants_to_user_per_hour);
        Self {
            grants: HourlyAllowance::new(QuotaKind::Grants, limits.grants_per_hour.into()),
            grants_to_user: HourlyAllowance::new(QuotaKind::GrantsToUser, to_one),
            grants_to_address: HourlyAllowance::new(QuotaKind::GrantsToUser, to_one),
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

    /// Uses one of the grants of a user to an address.
    ///
    /// # Errors
    /// [`QuotaExceeded`] if none is left.
    pub(super) fn take_grant_to_address(
        &self,
        granter: UserId,
        address: &Email,
    ) -> Result<(), QuotaExceeded> {
        self.grants_to_address.take(&(granter, address.as_str().to_owned()), Instant::now())
    }

    /// Returns how many of their grants a user has used.
    pub(super) fn grants_used(&self, user: UserId) -> AllowanceUse {
        self.grants.used(&user, Instant::now())
    }
}
