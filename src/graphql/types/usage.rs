//! What a user has used of their quotas.

use async_graphql::SimpleObject;
use chrono::{SubsecRound as _, TimeDelta, Utc};

use super::Timestamp;
use crate::{quota::AllowanceUse, store::StorageUse};

/// What the caller has used of each quota. Documents and bytes count in the whole cluster, the others on the node that
/// answers.
#[derive(SimpleObject)]
#[graphql(name = "Usage")]
pub(in crate::graphql) struct UsageType {
    /// The documents that the caller owns.
    documents: QuotaType,
    /// The bytes that these take, with their history. Changes of others in them count, too.
    bytes: QuotaType,
    /// The bytes that the caller's changes of the last hour take, in any document.
    change_bytes: QuotaType,
    /// The caller's grants of access in the last hour.
    grants: QuotaType,
    /// The documents that the caller has open.
    open_documents: QuotaType,
}

/// What the deletion of a document's history has freed.
#[derive(SimpleObject)]
pub(in crate::graphql) struct HistoryDeletion {
    /// The bytes that it has freed. A whole number, which may exceed the range of `Int`.
    freed_bytes: f64,
    /// Whether more can be freed now. Repeat the mutation for it.
    has_more: bool,
    /// The bytes that the caller's documents take now.
    bytes: QuotaType,
}

impl HistoryDeletion {
    #[allow(clippy::cast_precision_loss, reason = "quotas are far below 2^53")]
    pub(in crate::graphql) fn new(freed: u64, has_more: bool, storage: &StorageUse) -> Self {
        let bytes = QuotaType::of(storage.bytes, storage.quotas.bytes_per_user);
        Self { freed_bytes: freed as f64, has_more, bytes }
    }
}

/// A quota. Numbers are whole; they may exceed the range of `Int`.
#[derive(SimpleObject)]
#[graphql(name = "Quota")]
pub(in crate::graphql) struct QuotaType {
    used: f64,
    limit: f64,
    /// What may still be used: 0 if `used` exceeds `limit`.
    left: f64,
    /// When all of it is free again, if nothing more is used until then. Null for a quota that time does not free.
    resets_at: Option<Timestamp>,
}

impl UsageType {
    /// Returns the use of all quotas.
    pub(in crate::graphql) fn new(
        storage: &StorageUse,
        grants: AllowanceUse,
        open_documents: AllowanceUse,
    ) -> Self {
        let StorageUse { documents, bytes, change_bytes, quotas } = *storage;
        Self {
            documents: QuotaType::of(documents, quotas.documents_per_user),
            bytes: QuotaType::of(bytes, quotas.bytes_per_user),
            change_bytes: QuotaType::hourly(change_bytes),
            grants: QuotaType::hourly(grants),
            open_documents: QuotaType::of(open_documents.used, open_documents.limit),
        }
    }
}

impl QuotaType {
    #[allow(clippy::cast_precision_loss, reason = "quotas are far below 2^53")]
    fn of(used: u64, limit: u64) -> Self {
        let left = limit.saturating_sub(used);
        Self { used: used as f64, limit: limit as f64, left: left as f64, resets_at: None }
    }

    fn hourly(allowance: AllowanceUse) -> Self {
        let after = TimeDelta::from_std(allowance.resets_after).unwrap_or_default();
        let resets_at = Some(Timestamp((Utc::now() + after).trunc_subsecs(3)));
        Self { resets_at, ..Self::of(allowance.used, allowance.limit) }
    }
}
