//! The owners of documents: handing a document over to another user.
//!
//! Invariants: as for grants, a change of the owner increments `document.access_version` in the same transaction; the
//! owner of a document has no grant on it; and the document counts for the quotas of its owner from then on.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use entity::{document, document_access, user};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, DatabaseTransaction, EntityTrait, FromQueryResult, PaginatorTrait as _,
    QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait as _, LockType},
};
use thiserror::Error;
use uuid::Uuid;

use super::{
    Store, StoreError, UserAccess, access::store_grant, access_changes::list_access,
    document_lock::lock_documents, quotas::check_receiver, rows, stored_bytes::CountedBytes,
};
use crate::{
    domain::{AccessLevel, DocumentId, Party, UserId},
    quota::QuotaKind,
};

/// Why documents are not handed over, or an account is not deleted. The text may be shown to users.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HandOverRefused {
    /// The caller has owner access, but another user owns the document.
    #[error("Only the user who owns the document can hand it over. Ask them to do so.")]
    NotOwner,
    /// The caller would receive the document.
    #[error("You own the document already. Name another user.")]
    OwnsAlready,
    /// The receiver has not accepted access.
    #[error(
        "This user has not accepted access to the document. Grant them access first, and have them accept it."
    )]
    NoGrant,
    /// The receiver has not accepted access to some of the documents.
    #[error(
        "This user has not accepted access to {documents} of your documents. Grant them access to each and have them accept \
         it, or delete those documents first."
    )]
    GrantsMissing {
        /// The number of these documents.
        documents: u64,
    },
    /// The receiver would own too much.
    #[error("{}", over_quota(*.0))]
    OverQuota(QuotaKind),
    /// The account is being deleted already.
    #[error("The account is being deleted already.")]
    BeingDeleted,
    /// The account is to receive the documents of one that is being deleted.
    #[error(
        "The account receives the documents of another one that is being deleted. Try again when that has ended."
    )]
    IsReceiver,
}

fn over_quota(kind: QuotaKind) -> &'static str {
    match kind {
        QuotaKind::Documents => {
            "The user would own more documents than they may. Ask them to delete some of theirs first."
        }
        QuotaKind::Bytes => {
            "The documents of the user would take more bytes than they may. Ask them to delete documents, or the history \
             of documents, first."
        }
        QuotaKind::ChangeBytes
        | QuotaKind::OpenDocuments
        | QuotaKind::Grants
        | QuotaKind::GrantsToUser => "The user has no room for more. Try again later.",
    }
}

/// What becomes of the access of the previous owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FormerOwner {
    /// They are granted owner access, which they can give up.
    Stays,
    /// They have none, because their account is being deleted.
    Leaves,
}

impl Store {
    /// Hands a document over: `receiver`, who must have a grant on it, becomes its owner, and `owner` gets a grant of
    /// owner access without end. Returns the access of both, to be announced.
    ///
    /// # Errors
    /// [`StoreError::Denied`] if there is no such document, [`StoreError::NoSuchUser`] if `receiver` has no account,
    /// [`StoreError::HandOver`], [`StoreError::Busy`].
    pub async fn transfer_document(
        &self,
        owner: UserId,
        document: DocumentId,
        receiver: UserId,
    ) -> Result<Vec<UserAccess>, StoreError> {
        self.write(Party::User(owner), async {
            let txn = self.begin().await?;
            // The user comes first, as with document tokens.
            lock_account(&txn, receiver).await?;
            lock_documents(&txn, [document]).await?;
            let owned = OwnedDocument::find(&txn, document).await?.ok_or(StoreError::Denied)?;
            if owned.owner_id != owner.uuid() {
                return Err(HandOverRefused::NotOwner.into());
            }
            if receiver == owner {
                return Err(HandOverRefused::OwnsAlready.into());
            }
            if !has_grant(&txn, document, receiver).await? {
                return Err(HandOverRefused::NoGrant.into());
            }
            let more = (1, owned.stored_bytes.unsigned_abs());
            check_receiver(&txn, receiver, more, &self.quotas).await?;
            self.change_owner(txn, &owned, receiver, FormerOwner::Stays).await
        })
        .await
    }

    /// Hands a document of an account that is being deleted over to a user, whatever their grants and quotas are.
    /// Returns the access of both, to be announced; nothing if the document has another owner by now.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUser`], [`StoreError::Busy`], [`StoreError::Unavailable`], [`StoreError::Internal`].
    pub(super) async fn pass_on(
        &self,
        owner: UserId,
        document: DocumentId,
        receiver: UserId,
    ) -> Result<Vec<UserAccess>, StoreError> {
        self.write(Party::Node, async {
            let txn = self.begin().await?;
            lock_account(&txn, receiver).await?;
            lock_documents(&txn, [document]).await?;
            let owned = OwnedDocument::find(&txn, document).await?;
            match owned.filter(|owned| owned.owner_id == owner.uuid()) {
                Some(owned) => self.change_owner(txn, &owned, receiver, FormerOwner::Leaves).await,
                None => Ok(vec![]),
            }
        })
        .await
    }

    /// Changes the owner of a document, which the transaction has locked, and commits.
    async fn change_owner(
        &self,
        txn: DatabaseTransaction,
        owned: &OwnedDocument,
        receiver: UserId,
        former: FormerOwner,
    ) -> Result<Vec<UserAccess>, StoreError> {
        use document::Column::{AccessVersion, CreatorId, Id, OwnerId};
        let creator = owned.creator_id.unwrap_or(owned.owner_id);
        document::Entity::update_many()
            .col_expr(OwnerId, Expr::value(receiver.uuid()))
            .col_expr(CreatorId, Expr::value(creator))
            .col_expr(AccessVersion, Expr::col(AccessVersion).add(1))
            .filter(Id.eq(owned.id))
            .exec(&txn)
            .await?;
        document_access::Entity::delete_many()
            .filter(document_access::Column::DocumentId.eq(owned.id))
            .filter(document_access::Column::UserId.eq(receiver.uuid()))
            .exec(&txn)
            .await?;
        if former == FormerOwner::Stays {
            let grant = document_access::ActiveModel {
                document_id: Set(owned.id),
                user_id: Set(owned.owner_id),
                level: Set(rows::stored_level(AccessLevel::Owner)),
                granted_at: Set(rows::now()),
                ends_at: Set(None),
                email: Set(None),
                granted_by: Set(Some(receiver.uuid())),
                accepted_at: Set(Some(rows::now())),
            };
            store_grant(&txn, grant).await?;
        }
        let document = DocumentId::from(owned.id);
        let both = [owned.owner_id.into(), receiver].map(|user| (document, user));
        let access = list_access(&txn, &BTreeSet::from(both)).await?;
        txn.commit().await?;
        let counted = CountedBytes { owner: owned.owner_id, bytes: owned.stored_bytes };
        self.quotas.note([counted.freed(), CountedBytes { owner: receiver.uuid(), ..counted }]);
        Ok(access)
    }
}

/// What a change of the owner depends on.
#[derive(FromQueryResult)]
struct OwnedDocument {
    id: Uuid,
    owner_id: Uuid,
    creator_id: Option<Uuid>,
    stored_bytes: i64,
}

impl OwnedDocument {
    /// Reads a document that is not deleted.
    async fn find(
        txn: &DatabaseTransaction,
        document: DocumentId,
    ) -> Result<Option<Self>, StoreError> {
        use document::Column::{CreatorId, DeletedAt, Id, OwnerId, StoredBytes};
        let found = document::Entity::find()
            .select_only()
            .columns([Id, OwnerId, CreatorId, StoredBytes])
            .filter(Id.eq(document.uuid()))
            .filter(DeletedAt.is_null());
        Ok(found.into_model::<Self>().one(txn).await?)
    }
}

/// Locks the row of an account until the transaction ends. Reads that follow see what the previous holder of the lock
/// committed.
///
/// # Errors
/// [`StoreError::NoSuchUser`] if there is no such account, or it is being deleted; [`StoreError::Unavailable`],
/// [`StoreError::Internal`].
pub(super) async fn lock_account(
    txn: &DatabaseTransaction,
    user: UserId,
) -> Result<(), StoreError> {
    let locked: Option<(Uuid, Option<DateTime<Utc>>)> = user::Entity::find_by_id(user.uuid())
        .select_only()
        .columns([user::Column::Id, user::Column::ErasingAt])
        .lock(LockType::NoKeyUpdate)
        .into_tuple()
        .one(txn)
        .await?;
    match locked {
        Some((_, None)) => Ok(()),
        Some((_, Some(_))) | None => Err(StoreError::NoSuchUser),
    }
}

/// Locks the row of an account until the transaction ends, if there is one.
pub(super) async fn lock_user(txn: &DatabaseTransaction, user: UserId) -> Result<(), StoreError> {
    let lock = user::Entity::find_by_id(user.uuid()).select_only().column(user::Column::Id);
    let _locked: Option<Uuid> = lock.lock(LockType::NoKeyUpdate).into_tuple().one(txn).await?;
    Ok(())
}

async fn has_grant(
    txn: &DatabaseTransaction,
    document: DocumentId,
    user: UserId,
) -> Result<bool, StoreError> {
    let grants = document_access::Entity::find_by_id((document.uuid(), user.uuid()))
        .filter(document_access::Column::AcceptedAt.is_not_null())
        .filter(rows::has_not_ended(document_access::Column::EndsAt.into_expr()));
    Ok(grants.count(txn).await? > 0)
}

#[cfg(test)]
#[path = "ownership_tests.rs"]
mod tests;
