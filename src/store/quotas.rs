//! The quotas of owners and authors: documents and bytes of an owner, and bytes that an author's changes take.
//!
//! The bytes of an owner are the sum of `document.stored_bytes`, also of the documents in their bin. A commit does not read it: the sum is remembered, and what
//! this node stores or deletes is added. It is read again after a minute, because other nodes store as well, and before a
//! refusal, at most once a second.
//!
//! Invariant: without other nodes, an owner never has more than the quota, except by snapshots, and by [`SPARE_BYTES`] of
//! changes that do not make a text longer.

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use sea_orm::DatabaseTransaction;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    HandOverRefused, Store, StoreError, StoreOptions,
    stored_bytes::CountedBytes,
    usage::{count_documents, read_bytes, read_usage},
};
use crate::{
    domain::UserId,
    quota::{AllowanceUse, HourlyAllowance, QuotaExceeded, QuotaKind},
};

/// How long a sum is used before it is read again.
const REFRESH_EVERY: Duration = Duration::from_mins(1);

/// The shortest time between two readings of a sum.
const REFUSE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Below this many owners a sweep is not worth its time.
const SWEEP_FROM: usize = 1_024;

/// How far changes that do not make a text longer may exceed the bytes of an owner. Without it, nobody could shorten a text,
/// rename a document or take back what was just typed when the quota is used up.
const SPARE_BYTES: u64 = 1024 * 1024;

/// What users may own and store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// The documents of an owner.
    pub documents_per_user: u64,
    /// The bytes that the documents of an owner may take with their change logs and snapshots.
    pub bytes_per_user: u64,
    /// The bytes that the changes of a user may take, per hour.
    pub change_bytes_per_hour: u64,
}

impl Default for Quotas {
    /// No quotas.
    fn default() -> Self {
        Self {
            documents_per_user: u64::MAX,
            bytes_per_user: u64::MAX,
            change_bytes_per_hour: u64::MAX,
        }
    }
}

/// What a user owns and has stored, and how much they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StorageUse {
    /// The documents that the user owns.
    pub documents: u64,
    /// The bytes that these take with their change logs and snapshots.
    pub bytes: u64,
    /// The bytes that the user's changes through this node take.
    pub change_bytes: AllowanceUse,
    /// What the user may own.
    pub quotas: Quotas,
}

impl StorageUse {
    /// Counts one more document of this many bytes, which is not stored.
    ///
    /// # Errors
    /// [`QuotaExceeded`] if the user may not own it.
    pub fn count_document(&mut self, bytes: u64) -> Result<(), QuotaExceeded> {
        let exceeded = |kind, used, limit| QuotaExceeded { kind, used, limit, retry_after: None };
        let Quotas { documents_per_user, bytes_per_user, .. } = self.quotas;
        if self.documents >= documents_per_user {
            return Err(exceeded(QuotaKind::Documents, self.documents, documents_per_user));
        }
        if self.bytes.saturating_add(bytes) > bytes_per_user {
            return Err(exceeded(QuotaKind::Bytes, self.bytes, bytes_per_user));
        }
        self.documents += 1;
        self.bytes += bytes;
        Ok(())
    }
}

/// The quotas, and what is known of their use.
#[derive(Debug)]
pub(super) struct StoreQuotas {
    limits: Quotas,
    owners: Mutex<Owners>,
    changes: HourlyAllowance<UserId>,
}

#[derive(Debug)]
struct Owners {
    bytes: HashMap<Uuid, OwnerBytes>,
    /// When there are this many owners, those whose sums are old are dropped.
    sweep_at: usize,
}

/// The bytes of an owner.
#[derive(Debug, Clone, Copy)]
struct OwnerBytes {
    /// The sum as last read, and what was stored since.
    stored: i64,
    /// What transactions are about to store.
    reserved: i64,
    read_at: Instant,
}

impl OwnerBytes {
    fn used(&self) -> i64 {
        self.stored.saturating_add(self.reserved)
    }
}

/// Bytes that are to be stored for an owner.
#[derive(Debug, Clone, Copy)]
pub(super) struct WantedBytes {
    pub(super) counted: CountedBytes,
    /// Whether they make a text longer.
    pub(super) lengthens: bool,
}

/// Bytes that are reserved for owners before they are stored. Dropping it ends the reservation.
pub(super) struct ReservedBytes<'a> {
    quotas: &'a StoreQuotas,
    reserved: Vec<CountedBytes>,
}

impl Owners {
    fn sweep(&mut self) {
        if self.bytes.len() >= self.sweep_at {
            let is_used =
                |owner: &OwnerBytes| owner.reserved > 0 || owner.read_at.elapsed() < REFRESH_EVERY;
            self.bytes.retain(|_, owner| is_used(owner));
            self.sweep_at = Ord::max(self.bytes.len() * 2, SWEEP_FROM);
        }
    }
}

impl ReservedBytes<'_> {
    /// Counts the bytes as stored.
    pub(super) fn keep(self) {
        self.quotas.note(self.reserved.iter().copied());
    }
}

impl Drop for ReservedBytes<'_> {
    fn drop(&mut self) {
        let mut owners = self.quotas.owners.lock();
        for CountedBytes { owner, bytes } in &self.reserved {
            if let Some(owner) = owners.bytes.get_mut(owner) {
                owner.reserved = owner.reserved.saturating_sub(*bytes);
            }
        }
    }
}

impl StoreQuotas {
    pub(super) fn new(options: &StoreOptions) -> Self {
        let limits = options.quotas;
        let changes = HourlyAllowance::new(QuotaKind::ChangeBytes, limits.change_bytes_per_hour);
        let owners = Owners { bytes: HashMap::new(), sweep_at: SWEEP_FROM };
        Self { limits, owners: Mutex::new(owners), changes }
    }

    /// Reserves bytes of owners, each entry by itself. Reads the sums that are not known or too old.
    ///
    /// # Errors
    /// The sums cannot be read.
    pub(super) async fn reserve(
        &self,
        txn: &DatabaseTransaction,
        wanted: &[WantedBytes],
    ) -> Result<(ReservedBytes<'_>, Vec<Result<(), QuotaExceeded>>), StoreError> {
        let mut reserved = ReservedBytes { quotas: self, reserved: Vec::new() };
        let unknown = self.unknown(wanted);
        if !unknown.is_empty() {
            self.read(txn, unknown).await?;
        }
        let mut owners = self.owners.lock();
        let mut outcomes = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            let counted = wanted.counted;
            // It was known a moment ago. If it was dropped since, the next commit reads it again.
            let Some(owner) = owners.bytes.get_mut(&counted.owner) else {
                outcomes.push(Ok(()));
                continue;
            };
            let outcome = self.admit(owner.used(), *wanted);
            if outcome.is_ok() {
                owner.reserved = owner.reserved.saturating_add(counted.bytes);
                reserved.reserved.push(counted);
            }
            outcomes.push(outcome);
        }
        drop(owners);
        Ok((reserved, outcomes))
    }

    /// Notes what was added to or removed from the documents of owners, if their sums are known.
    pub(super) fn note(&self, counted: impl IntoIterator<Item = CountedBytes>) {
        let mut owners = self.owners.lock();
        for CountedBytes { owner, bytes } in counted {
            if let Some(owner) = owners.bytes.get_mut(&owner) {
                owner.stored = Ord::max(owner.stored.saturating_add(bytes), 0);
            }
        }
    }

    /// Charges authors with what their changes take.
    pub(super) fn charge(&self, charges: impl IntoIterator<Item = (UserId, u64)>) {
        let now = Instant::now();
        for (author, bytes) in charges {
            self.changes.charge(&author, bytes, now);
        }
    }

    fn admit(&self, used: i64, wanted: WantedBytes) -> Result<(), QuotaExceeded> {
        let bytes = Ord::max(wanted.counted.bytes, 0).unsigned_abs();
        let (used, limit) = (used.unsigned_abs(), self.limits.bytes_per_user);
        let spare = if wanted.lengthens { 0 } else { SPARE_BYTES };
        if bytes == 0 || used.saturating_add(bytes) <= limit.saturating_add(spare) {
            return Ok(());
        }
        Err(QuotaExceeded { kind: QuotaKind::Bytes, used, limit, retry_after: None })
    }

    /// Returns the owners whose sums are to be read: they are not known, too old, or would lead to a refusal.
    fn unknown(&self, wanted: &[WantedBytes]) -> Vec<Uuid> {
        let now = Instant::now();
        let owners = self.owners.lock();
        let must_read = |wanted: &&WantedBytes| match owners.bytes.get(&wanted.counted.owner) {
            None => true,
            Some(owner) => {
                let age = now.saturating_duration_since(owner.read_at);
                let is_refused = self.admit(owner.used(), **wanted).is_err();
                age >= REFRESH_EVERY || (is_refused && age >= REFUSE_AGAIN_AFTER)
            }
        };
        let mut unknown: Vec<_> =
            wanted.iter().filter(must_read).map(|wanted| wanted.counted.owner).collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    async fn read(&self, txn: &DatabaseTransaction, unknown: Vec<Uuid>) -> Result<(), StoreError> {
        // A minute begins before the sum is read.
        let read_at = Instant::now();
        let sums = read_bytes(txn, &unknown).await?;
        let mut owners = self.owners.lock();
        owners.sweep();
        for owner in unknown {
            let stored = sums.get(&owner).copied().unwrap_or(0);
            // What transactions have reserved is not in the sum, unless they are just being committed.
            let reserved = owners.bytes.get(&owner).map_or(0, |known| known.reserved);
            owners.bytes.insert(owner, OwnerBytes { stored, reserved, read_at });
        }
        Ok(())
    }
}

impl Store {
    /// Returns what a user owns and has stored.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn load_usage(&self, user: UserId) -> Result<StorageUse, StoreError> {
        let (documents, bytes) = read_usage(&self.readers, user).await?;
        Ok(StorageUse {
            documents,
            bytes,
            change_bytes: self.quotas.changes.used(&user, Instant::now()),
            quotas: self.quotas.limits,
        })
    }

    /// Checks that a user may store changes.
    ///
    /// # Errors
    /// [`StoreError::OverQuota`] if their changes of the last hour take too many bytes.
    pub fn check_change_allowance(&self, user: UserId) -> Result<(), StoreError> {
        Ok(self.quotas.changes.check(&user, Instant::now())?)
    }
}

/// Checks that an owner may have one more document. The transaction has locked the account, so that others who create documents
/// of this owner wait until it ends.
///
/// # Errors
/// [`StoreError::OverQuota`], [`StoreError::Unavailable`], [`StoreError::Internal`].
pub(super) async fn check_document_count(
    txn: &DatabaseTransaction,
    owner: UserId,
    quotas: &StoreQuotas,
) -> Result<(), StoreError> {
    let limit = quotas.limits.documents_per_user;
    if limit == u64::MAX {
        return Ok(());
    }
    let used = count_documents(txn, owner).await?;
    match used < limit {
        true => Ok(()),
        false => {
            let kind = QuotaKind::Documents;
            Err(QuotaExceeded { kind, used, limit, retry_after: None }.into())
        }
    }
}

/// Checks that a user may own more documents, which take this many bytes. The transaction has locked the account. The sums are
/// read from the database, because such changes are rare.
///
/// # Errors
/// [`HandOverRefused::OverQuota`], [`StoreError::Unavailable`], [`StoreError::Internal`].
pub(super) async fn check_receiver(
    txn: &DatabaseTransaction,
    receiver: UserId,
    (documents, bytes): (u64, u64),
    quotas: &StoreQuotas,
) -> Result<(), StoreError> {
    let (own_documents, own_bytes) = read_usage(txn, receiver).await?;
    let Quotas { documents_per_user, bytes_per_user, .. } = quotas.limits;
    let kind = if own_documents.saturating_add(documents) > documents_per_user {
        QuotaKind::Documents
    } else if own_bytes.saturating_add(bytes) > bytes_per_user {
        QuotaKind::Bytes
    } else {
        return Ok(());
    };
    Err(HandOverRefused::OverQuota(kind).into())
}
