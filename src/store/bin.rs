//! The bins of owners: deleted documents that their owners can still bring back.
//!
//! A deletion puts the document into the bin of its owner. It has a time of deletion like a tombstone, so no query but those
//! here finds it, but its rows stay. They go when the owner purges it, or after `store.bin_kept`.
//!
//! Invariants: a document in a bin has `deleted_at`, and the last change of its log is its deletion. Its owner does not change.
//! It counts for the quotas of its owner, unlike a tombstone.

use chrono::{DateTime, TimeDelta, Utc};
use entity::{
    address_grant, document, document_access, document_bin, document_change, document_link,
    entitlement, group_access, link_bar,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder as _, QuerySelect,
    QueryTrait as _,
    sea_query::{Expr, ExprTrait as _, Query, SelectStatement},
};
use uuid::Uuid;

use super::{
    Store, StoreError,
    document_keys::delete_key,
    document_lock::lock_documents,
    metadata::delete_metadata,
    ownership::lock_account,
    purge::{delete_all, purge_log},
    rows::DocumentRow,
    stored_bytes::{CountedBytes, count_bytes, row_bytes, signed},
};
use crate::domain::{Document, DocumentId, Party, UserId, Version};

/// How many documents are looked for at a time. Each is purged in a transaction of its own.
const DOCUMENTS_AT_ONCE: u64 = 16;

impl Store {
    /// Brings a document back from the bin of its owner, with its grants, and returns it. Its deletion becomes a change that changes
    /// nothing.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if it is not in the bin of `owner`, [`StoreError::NoSuchUser`] if the account is being deleted,
    /// [`StoreError::Busy`].
    pub async fn undelete(
        &self,
        owner: UserId,
        document: DocumentId,
    ) -> Result<Document, StoreError> {
        use document::Column::{AccessVersion, DeletedAt, Id};
        self.write(Party::User(owner), async {
            let txn = self.begin().await?;
            // Nothing is brought back for an account that is being deleted.
            lock_account(&txn, owner).await?;
            lock_documents(&txn, [document]).await?;
            let found = DocumentRow::select_binned(owner)
                .filter(Id.eq(document.uuid()))
                .into_model::<DocumentRow>()
                .one(&txn)
                .await?;
            let undeleted = found.ok_or(StoreError::Denied)?.into_document();
            remove_from_bin(&txn, owner, document).await?;
            document::Entity::update_many()
                .col_expr(AccessVersion, Expr::col(AccessVersion).add(1))
                .col_expr(DeletedAt, Expr::value(Option::<DateTime<Utc>>::None))
                .filter(Id.eq(document.uuid()))
                .exec(&txn)
                .await?;
            // The versions of a document have no gap.
            document_change::Entity::update_many()
                .col_expr(
                    document_change::Column::Kind,
                    Expr::value(document_change::Kind::Renamed),
                )
                .col_expr(document_change::Column::Title, Expr::value(&*undeleted.title))
                .filter(document_change::Column::DocumentId.eq(document.uuid()))
                .filter(document_change::Column::Version.eq(undeleted.version.number()))
                .exec(&txn)
                .await?;
            let bytes = signed(row_bytes([undeleted.title.len()]));
            let counted = count_bytes(&txn, [(document, bytes)]).await?;
            txn.commit().await?;
            self.quotas.note(counted);
            Ok(undeleted)
        })
        .await
    }

    /// Returns whether a document is in the bin of a user.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub async fn is_in_bin(&self, owner: UserId, document: DocumentId) -> Result<bool, StoreError> {
        let finding = document_bin::Entity::find()
            .filter(document_bin::Column::OwnerId.eq(owner.uuid()))
            .filter(document_bin::Column::DocumentId.eq(document.uuid()))
            .one(&self.readers);
        Ok(self.read_for(Party::User(owner), finding).await??.is_some())
    }

    /// Deletes a document in the bin of its owner for good. A long log is deleted later.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if it is not in the bin of `owner`, [`StoreError::Busy`].
    pub async fn purge(&self, owner: UserId, document: DocumentId) -> Result<(), StoreError> {
        self.purge_for(Party::User(owner), owner, document).await
    }

    async fn purge_for(
        &self,
        party: Party,
        owner: UserId,
        document: DocumentId,
    ) -> Result<(), StoreError> {
        self.write(party, async {
            let txn = self.begin().await?;
            lock_documents(&txn, [document]).await?;
            remove_from_bin(&txn, owner, document).await?;
            let freed = replace_with_tombstone(&txn, document).await?;
            txn.commit().await?;
            self.quotas.note(freed);
            Ok(())
        })
        .await
    }

    /// Purges some of the documents that have been in bins for `store.bin_kept`, the oldest first. Returns whether it has. One that cannot
    /// be purged now is left for the next time.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], [`StoreError::Internal`]: the bins cannot be read.
    pub async fn empty_bins(&self, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let Some(before) = self.bin_time().and_then(|kept| now.checked_sub_signed(kept)) else {
            return Ok(false);
        };
        let mut after = None;
        loop {
            let due = self.list_due(before, after).await?;
            let Some(last) = due.last() else { return Ok(false) };
            after = Some((last.deleted_at, last.document_id));
            // If none of these can be purged now, the others do not wait for them.
            if self.purge_due(&due).await {
                return Ok(true);
            }
        }
    }

    /// Lists documents in bins that were deleted before a time, the oldest first. `after` is the last one of those before.
    async fn list_due(
        &self,
        before: DateTime<Utc>,
        after: Option<(DateTime<Utc>, Uuid)>,
    ) -> Result<Vec<document_bin::Model>, StoreError> {
        use document_bin::Column::{DeletedAt, DocumentId};
        let mut due = document_bin::Entity::find().filter(DeletedAt.lt(before));
        if let Some((at, document)) = after {
            let later = DeletedAt.eq(at).and(DocumentId.gt(document));
            due = due.filter(DeletedAt.gt(at).or(later));
        }
        let due = due.order_by_asc(DeletedAt).order_by_asc(DocumentId).limit(DOCUMENTS_AT_ONCE);
        Ok(due.all(&self.readers).await?)
    }

    /// Purges documents in bins. Returns whether one of them is gone.
    async fn purge_due(&self, due: &[document_bin::Model]) -> bool {
        let mut has_purged = false;
        for row in due {
            let (owner, document) = (row.owner_id.into(), DocumentId::from(row.document_id));
            match self.purge_for(Party::Node, owner, document).await {
                // Another node or the owner was first.
                Ok(()) | Err(StoreError::Denied) => has_purged = true,
                // The others do not wait for it.
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, %document, "could not purge a document in a bin");
                }
            }
        }
        has_purged
    }

    /// Purges one document in the bin of a user. Returns false if there is none.
    ///
    /// # Errors
    /// [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub(super) async fn purge_one_of(&self, owner: UserId) -> Result<bool, StoreError> {
        let finding = document_bin::Entity::find()
            .filter(document_bin::Column::OwnerId.eq(owner.uuid()))
            .one(&self.readers);
        let Some(row) = self.read_for(Party::Node, finding).await?? else { return Ok(false) };
        match self.purge_for(Party::Node, owner, row.document_id.into()).await {
            Ok(()) | Err(StoreError::Denied) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Returns when a document that was deleted at this time is purged. `None` if that is too far away to have a date.
    #[must_use]
    pub fn purged_at(&self, deleted_at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.bin_time().and_then(|kept| deleted_at.checked_add_signed(kept))
    }

    fn bin_time(&self) -> Option<TimeDelta> {
        TimeDelta::from_std(self.bin_kept).ok()
    }
}

/// Puts a document into the bin of its owner. It was deleted at `at`, and the transaction has locked it.
pub(super) async fn put_into_bin(
    txn: &DatabaseTransaction,
    id: DocumentId,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    use document::Column::{AccessVersion, DeletedAt, Id, OwnerId, RulesVersion};
    let owner: Option<Uuid> = document::Entity::find_by_id(id.uuid())
        .select_only()
        .column(OwnerId)
        .into_tuple()
        .one(txn)
        .await?;
    let owner = owner.ok_or(StoreError::Denied)?;
    document::Entity::update_many()
        .col_expr(AccessVersion, Expr::col(AccessVersion).add(1))
        .col_expr(DeletedAt, Expr::value(at))
        // The application is asked again when the document is brought back: it may have decided otherwise meanwhile.
        .col_expr(RulesVersion, Expr::col(RulesVersion).add(1))
        .filter(Id.eq(id.uuid()))
        .exec(txn)
        .await?;
    entitlement::Entity::delete_many()
        .filter(entitlement::Column::DocumentId.eq(id.uuid()))
        .filter(entitlement::Column::Kind.eq(entitlement::Kind::Answer))
        .exec(txn)
        .await?;
    let row = document_bin::ActiveModel {
        document_id: Set(id.uuid()),
        owner_id: Set(owner),
        deleted_at: Set(at),
    };
    document_bin::Entity::insert(row).exec_without_returning(txn).await?;
    Ok(())
}

/// Selects the ids of the documents in the bin of a user.
pub(super) fn select_binned(owner: UserId) -> SelectStatement {
    document_bin::Entity::find()
        .select_only()
        .column(document_bin::Column::DocumentId)
        .filter(document_bin::Column::OwnerId.eq(owner.uuid()))
        .into_query()
}

/// Returns the condition that the document of a query's row is in a bin.
pub(super) fn is_binned() -> Expr {
    let bins = Query::select()
        .expr(Expr::val(1))
        .from(document_bin::Entity)
        .and_where(
            Expr::col((document_bin::Entity, document_bin::Column::DocumentId))
                .equals((document::Entity, document::Column::Id)),
        )
        .take();
    Expr::exists(bins)
}

/// Takes a document out of the bin of a user.
///
/// # Errors
/// [`StoreError::Denied`] if it is not there.
async fn remove_from_bin(
    txn: &DatabaseTransaction,
    owner: UserId,
    document: DocumentId,
) -> Result<(), StoreError> {
    let removed = document_bin::Entity::delete_many()
        .filter(document_bin::Column::DocumentId.eq(document.uuid()))
        .filter(document_bin::Column::OwnerId.eq(owner.uuid()))
        .exec(txn)
        .await?;
    if removed.rows_affected == 0 { Err(StoreError::Denied) } else { Ok(()) }
}

/// Replaces a deleted document with a tombstone: deletes its title, text, metadata, key, grants and log, but a long log later.
/// Returns what that frees for its owner.
async fn replace_with_tombstone(
    txn: &DatabaseTransaction,
    id: DocumentId,
) -> Result<Option<CountedBytes>, StoreError> {
    use document::Column::{Content, OwnerId, Size, StoredBytes, Title, Version as Last};
    let found: Option<(Uuid, i64, i64)> = document::Entity::find_by_id(id.uuid())
        .select_only()
        .columns([OwnerId, Last, StoredBytes])
        .into_tuple()
        .one(txn)
        .await?;
    let Some((owner, deletion, bytes)) = found else { return Ok(None) };
    document::Entity::update_many()
        .col_expr(Title, Expr::value(""))
        .col_expr(Content, Expr::value(""))
        .col_expr(Size, Expr::value(0))
        .col_expr(StoredBytes, Expr::value(0))
        .filter(document::Column::Id.eq(id.uuid()))
        .exec(txn)
        .await?;
    delete_all::<document_access::Entity>(txn, document_access::Column::DocumentId, id.uuid())
        .await?;
    delete_all::<entitlement::Entity>(txn, entitlement::Column::DocumentId, id.uuid()).await?;
    delete_all::<group_access::Entity>(txn, group_access::Column::DocumentId, id.uuid()).await?;
    delete_all::<address_grant::Entity>(txn, address_grant::Column::DocumentId, id.uuid()).await?;
    delete_all::<document_link::Entity>(txn, document_link::Column::DocumentId, id.uuid()).await?;
    delete_all::<link_bar::Entity>(txn, link_bar::Column::DocumentId, id.uuid()).await?;
    delete_metadata(txn, id).await?;
    delete_key(txn, id).await?;
    purge_log(txn, id, Version::new(deletion)).await?;
    Ok(Some(CountedBytes { owner, bytes }.freed()))
}

#[cfg(test)]
#[path = "bin_tests.rs"]
mod tests;
